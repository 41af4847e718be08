// A worker as a team would write it with Temporal's SDK for Go. On SIGTERM it takes no more work and finishes what it has.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
)

func work(ctx context.Context, seconds float64) (float64, error) {
	time.Sleep(time.Duration(seconds * float64(time.Second)))
	return seconds, nil
}

func main() {
	slots, err := strconv.Atoi(os.Getenv("ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES"))
	if err != nil {
		log.Fatalln(err)
	}
	host := os.Getenv("HOSTNAME")
	if host == "" {
		host, _ = os.Hostname()
	}
	temporal, err := client.Dial(client.Options{
		HostPort: os.Getenv("TEMPORAL_ADDRESS"),
		// Holds the task's address, as the SDK's default does where the host is called so.
		Identity:                fmt.Sprintf("%d@%s", os.Getpid(), host),
		WorkerHeartbeatInterval: time.Second,
	})
	if err != nil {
		log.Fatalln(err)
	}
	defer temporal.Close()
	w := worker.New(temporal, os.Getenv("TEMPORAL_TASK_QUEUE"), worker.Options{
		MaxConcurrentActivityExecutionSize: slots,
		// Longer than any activity: the sidecar has no deadline. ECS's own stop ends the process after the stop timeout.
		WorkerStopTimeout: 48 * time.Hour,
	})
	w.RegisterActivityWithOptions(work, activity.RegisterOptions{Name: "work"})
	if err := w.Run(worker.InterruptCh()); err != nil {
		log.Fatalln(err)
	}
}
