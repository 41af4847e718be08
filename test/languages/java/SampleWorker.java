import io.temporal.activity.ActivityInterface;
import io.temporal.activity.ActivityMethod;
import io.temporal.client.WorkflowClient;
import io.temporal.client.WorkflowClientOptions;
import io.temporal.serviceclient.WorkflowServiceStubs;
import io.temporal.serviceclient.WorkflowServiceStubsOptions;
import io.temporal.worker.WorkerFactory;
import io.temporal.worker.WorkerOptions;
import java.net.InetAddress;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** A worker as a team would write it with Temporal's SDK for Java. On SIGTERM it takes no more work and finishes what it has. */
public final class SampleWorker {
  @ActivityInterface
  public interface Work {
    @ActivityMethod(name = "work")
    double work(double seconds);
  }

  public static void main(String[] arguments) throws Exception {
    String host = System.getenv().getOrDefault("HOSTNAME", InetAddress.getLocalHost().getHostName());
    WorkflowServiceStubs service =
        WorkflowServiceStubs.newServiceStubs(
            WorkflowServiceStubsOptions.newBuilder().setTarget(System.getenv("TEMPORAL_ADDRESS")).build());
    WorkflowClient client =
        WorkflowClient.newInstance(
            service,
            WorkflowClientOptions.newBuilder()
                // Holds the task's address, as the SDK's default does where the host is called so.
                .setIdentity(ProcessHandle.current().pid() + "@" + host)
                .setWorkerHeartbeatInterval(Duration.ofSeconds(1))
                .build());
    WorkerFactory factory = WorkerFactory.newInstance(client);
    int slots = Integer.parseInt(System.getenv("ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES"));
    factory
        .newWorker(
            System.getenv("TEMPORAL_TASK_QUEUE"),
            WorkerOptions.newBuilder().setMaxConcurrentActivityExecutionSize(slots).build())
        .registerActivitiesImplementations((Work) SampleWorker::work);
    // The JVM's answer to SIGTERM. It ends when this has ended, however long that takes.
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  factory.shutdown();
                  factory.awaitTermination(2, TimeUnit.DAYS);
                }));
    factory.start();
  }

  private static double work(double seconds) {
    try {
      Thread.sleep((long) (seconds * 1000));
    } catch (InterruptedException interrupted) {
      throw new IllegalStateException(interrupted);
    }
    return seconds;
  }
}
