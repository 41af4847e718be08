package main

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	defaults "k8s.io/kubernetes/pkg/apis/autoscaling/v2"
)

// withDefaults fills in what the Kubernetes API server fills in when an HPA is created.
func withDefaults(hpa *autoscalingv2.HorizontalPodAutoscaler) {
	defaults.SetDefaults_HorizontalPodAutoscaler(hpa)
}
