// KEDA's own Temporal scaler and scale executor with Kubernetes' own HorizontalController, over a Kubernetes API that
// exists only in this process. Its scale target is a number: each change of it is printed as one line of JSON, and
// whoever started this program applies it to an ECS service.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"github.com/kedacore/keda/v2/pkg/scalers"
	"github.com/kedacore/keda/v2/pkg/scalers/scalersconfig"
	"github.com/kedacore/keda/v2/pkg/scaling/executor"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	scalefake "k8s.io/client-go/scale/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// As kube-controller-manager's flags have them.
const (
	hpaSyncPeriod       = 15 * time.Second
	hpaTolerance        = 0.1
	hpaDownStabilise    = 5 * time.Minute
	hpaCPUInitialize    = 5 * time.Minute
	hpaReadinessDelay   = 30 * time.Second
	kubernetesTimeout   = 5 * time.Second
	namespace           = "bench"
	name                = "pool"
	temporalReadTimeout = 10 * time.Second
)

var target = kedav1alpha1.GroupVersionKindResource{Group: "bench.local", Version: "v1", Kind: "Pool", Resource: "pools"}

type settings struct {
	address, namespace, taskQueue, queueTypes string
	targetQueueSize, minTasks, maxTasks       int
	pollSeconds, cooldownSeconds              int
	downStabilizationSeconds                  int
}

func main() {
	var s settings
	flag.StringVar(&s.address, "address", "", "Temporal's")
	flag.StringVar(&s.namespace, "namespace", "default", "Temporal's")
	flag.StringVar(&s.taskQueue, "task-queue", "", "of the pool")
	flag.StringVar(&s.queueTypes, "queue-types", "", "activity, workflow or nexus; all unless given")
	flag.IntVar(&s.targetQueueSize, "target", 5, "KEDA's targetQueueSize")
	flag.IntVar(&s.minTasks, "min", 0, "KEDA's minReplicaCount")
	flag.IntVar(&s.maxTasks, "max", 100, "KEDA's maxReplicaCount")
	flag.IntVar(&s.pollSeconds, "poll", 30, "KEDA's pollingInterval")
	flag.IntVar(&s.cooldownSeconds, "cooldown", 300, "KEDA's cooldownPeriod")
	flag.IntVar(&s.downStabilizationSeconds, "down-stabilization", 0, "of the HPA's scale-down; Kubernetes' default unless given")
	flag.Parse()
	log.SetLogger(klog.Background())
	if err := run(context.Background(), s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	scaler, err := newScaler(ctx, s)
	if err != nil {
		return err
	}
	pool := &pool{}
	specs := scaler.GetMetricSpecForScaling(ctx)
	if err := startHPA(ctx, s, pool, specs, scaler); err != nil {
		return err
	}
	return scaleLoop(ctx, s, pool, specs, scaler)
}

func newScaler(ctx context.Context, s settings) (scalers.Scaler, error) {
	trigger := map[string]string{
		"endpoint":        s.address,
		"namespace":       s.namespace,
		"taskQueue":       s.taskQueue,
		"targetQueueSize": strconv.Itoa(s.targetQueueSize),
	}
	if s.queueTypes != "" {
		trigger["queueTypes"] = s.queueTypes
	}
	return scalers.NewTemporalScaler(ctx, &scalersconfig.ScalerConfig{
		ScalableObjectName:      name,
		ScalableObjectNamespace: namespace,
		ScalableObjectType:      "ScaledObject",
		TriggerType:             "temporal",
		TriggerMetadata:         trigger,
		ResolvedEnv:             map[string]string{},
		AuthParams:              map[string]string{},
		GlobalHTTPTimeout:       temporalReadTimeout,
	})
}

// pool is the scale target: pods are there as soon as they are wanted.
type pool struct {
	mutex   sync.Mutex
	desired int32
}

func (p *pool) scale() *autoscalingv1.Scale {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec:       autoscalingv1.ScaleSpec{Replicas: p.desired},
		Status:     autoscalingv1.ScaleStatus{Replicas: p.desired, Selector: "app=" + name},
	}
}

func (p *pool) set(replicas int32) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if replicas == p.desired {
		return
	}
	p.desired = replicas
	line, _ := json.Marshal(map[string]int32{"desired": replicas})
	fmt.Println(string(line))
}

func (p *pool) client() *scalefake.FakeScaleClient {
	scales := &scalefake.FakeScaleClient{}
	scales.AddReactor("get", target.Resource, func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, p.scale(), nil
	})
	scales.AddReactor("update", target.Resource, func(action clienttesting.Action) (bool, runtime.Object, error) {
		p.set(action.(clienttesting.UpdateAction).GetObject().(*autoscalingv1.Scale).Spec.Replicas)
		return true, p.scale(), nil
	})
	return scales
}

// startHPA makes the HPA that KEDA would create of the ScaledObject.
func startHPA(ctx context.Context, s settings, p *pool, specs []autoscalingv2.MetricSpec, scaler scalers.Scaler) error {
	kubernetes := fake.NewClientset(newHPA(s, specs))
	factory := informers.NewSharedInformerFactory(kubernetes, 0)
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Group: target.Group, Version: target.Version}})
	mapper.Add(schema.GroupVersionKind{Group: target.Group, Version: target.Version, Kind: target.Kind}, meta.RESTScopeNamespace)
	controller := podautoscaler.NewHorizontalController(ctx, kubernetes.CoreV1(), p.client(), kubernetes.AutoscalingV2(), mapper,
		&temporalMetrics{ctx: ctx, scaler: scaler}, factory.Autoscaling().V2().HorizontalPodAutoscalers(), factory.Core().V1().Pods(),
		hpaSyncPeriod, hpaDownStabilise, hpaTolerance, hpaCPUInitialize, hpaReadinessDelay)
	factory.Start(ctx.Done())
	go controller.Run(ctx, 1)
	return nil
}

// The HPA cannot reach zero: from and to zero is KEDA's own.
func newHPA(s settings, specs []autoscalingv2.MetricSpec) *autoscalingv2.HorizontalPodAutoscaler {
	least := int32(max(1, s.minTasks))
	hpa := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: "keda-hpa-" + name, Namespace: namespace},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{
				APIVersion: target.Group + "/" + target.Version, Kind: target.Kind, Name: name,
			},
			MinReplicas: &least,
			MaxReplicas: int32(s.maxTasks),
			Metrics:     specs,
		},
	}
	if s.downStabilizationSeconds > 0 {
		window := int32(s.downStabilizationSeconds)
		hpa.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{
			ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: &window},
		}
	}
	withDefaults(hpa)
	return hpa
}

// scaleLoop is KEDA's, which polls the triggers and has its executor scale from and to zero.
func scaleLoop(ctx context.Context, s settings, p *pool, specs []autoscalingv2.MetricSpec, scaler scalers.Scaler) error {
	least, most := int32(s.minTasks), int32(s.maxTasks)
	poll, cooldown := int32(s.pollSeconds), int32(s.cooldownSeconds)
	object := &kedav1alpha1.ScaledObject{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, CreationTimestamp: metav1.Now()},
		Spec: kedav1alpha1.ScaledObjectSpec{
			ScaleTargetRef:  &kedav1alpha1.ScaleTarget{Name: name},
			PollingInterval: &poll,
			CooldownPeriod:  &cooldown,
			MinReplicaCount: &least,
			MaxReplicaCount: &most,
		},
		Status: kedav1alpha1.ScaledObjectStatus{ScaleTargetKind: target.Kind, ScaleTargetGVKR: &target},
	}
	scale := executor.NewScaleExecutor(noCache{}, p.client(), runtime.NewScheme(), kubernetesTimeout, &events.FakeRecorder{})
	metric := specs[0].External.Metric.Name
	for ; ; time.Sleep(time.Duration(s.pollSeconds) * time.Second) {
		_, active, err := scaler.GetMetricsAndActivity(ctx, metric)
		result := scale.RequestScale(ctx, object, active, err != nil, executor.ScaleExecutorOptions{ActiveTriggers: []string{metric}})
		if result.LastActiveTime != nil {
			object.Status.LastActiveTime = result.LastActiveTime
		}
		if err != nil || result.Error != nil {
			fmt.Fprintln(os.Stderr, "KEDA could not read or scale:", err, result.Error)
		}
	}
}

// noCache has nothing: the executor then asks for the scale itself.
type noCache struct{ client.Client }

func (noCache) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return fmt.Errorf("%s is not cached", key)
}

// temporalMetrics is KEDA's metrics server: the HPA's external metric, read from Temporal when asked for.
type temporalMetrics struct {
	metrics.MetricsClient
	ctx    context.Context
	scaler scalers.Scaler
}

func (m *temporalMetrics) GetExternalMetric(metricName, _ string, _ labels.Selector) ([]int64, time.Time, error) {
	values, _, err := m.scaler.GetMetricsAndActivity(m.ctx, metricName)
	if err != nil {
		return nil, time.Time{}, err
	}
	milli := make([]int64, 0, len(values))
	for _, value := range values {
		milli = append(milli, value.Value.MilliValue())
	}
	return milli, time.Now(), nil
}

func (m *temporalMetrics) GetResourceMetric(context.Context, corev1.ResourceName, string, labels.Selector, string) (metrics.PodMetricsInfo, time.Time, error) {
	return nil, time.Time{}, fmt.Errorf("a pool of the benchmark has no resource metrics")
}
