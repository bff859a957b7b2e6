// Package kubernetes checks the manifests against Kubernetes' own types. It is apart
// from the other checks because those types take long to compile.
package kubernetes

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"geogate/checks/geogate"
)

type manifests struct {
	config     corev1.ConfigMap
	deployment appsv1.Deployment
	service    corev1.Service
	budget     policyv1.PodDisruptionBudget
	scaler     autoscalingv2.HorizontalPodAutoscaler
}

// read decodes every document strictly: a field that Kubernetes does not have, or has
// with another type, is an error, as in `kubectl apply --validate=strict`.
func read(t *testing.T) manifests {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(geogate.Root, "packaging", "kubernetes", "geogate.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var m manifests
	into := map[metav1.TypeMeta]any{
		{APIVersion: "v1", Kind: "ConfigMap"}:                           &m.config,
		{APIVersion: "apps/v1", Kind: "Deployment"}:                     &m.deployment,
		{APIVersion: "v1", Kind: "Service"}:                             &m.service,
		{APIVersion: "policy/v1", Kind: "PodDisruptionBudget"}:          &m.budget,
		{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"}: &m.scaler,
	}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			t.Fatal(err)
		}
		object, known := into[kind]
		if !known {
			t.Fatalf("%+v comes twice, or this test does not know it", kind)
		}
		delete(into, kind)
		if err := yaml.UnmarshalStrict(document, object); err != nil {
			t.Errorf("%s: %v", kind.Kind, err)
		}
	}
	if len(into) > 0 {
		t.Fatalf("missing: %v", into)
	}
	return m
}

// What refers to something by its name or labels finds it.
func TestManifestsFitTogether(t *testing.T) {
	m := read(t)
	pods := labels.Set(m.deployment.Spec.Template.Labels)
	for name, selector := range map[string]*metav1.LabelSelector{"Deployment": m.deployment.Spec.Selector, "PodDisruptionBudget": m.budget.Spec.Selector} {
		if s, err := metav1.LabelSelectorAsSelector(selector); err != nil || s.Empty() || !s.Matches(pods) {
			t.Errorf("the %s selects %v, which is not the pods (%v): %v", name, selector, pods, err)
		}
	}
	if !labels.SelectorFromSet(m.service.Spec.Selector).Matches(pods) {
		t.Errorf("the Service selects %v, the pods are %v", m.service.Spec.Selector, pods)
	}
	if target := m.scaler.Spec.ScaleTargetRef; target.Name != m.deployment.Name || target.Kind != "Deployment" || target.APIVersion != "apps/v1" {
		t.Errorf("the scaler scales %+v", target)
	}
	if m.deployment.Spec.Replicas != nil {
		t.Error("replicas is set: each apply would undo what the scaler did")
	}
	container := m.deployment.Spec.Template.Spec.Containers[0]
	if port := m.service.Spec.Ports[0].TargetPort.StrVal; port != container.Ports[0].Name || container.Ports[0].ContainerPort != 8080 {
		t.Errorf("the Service sends to %q, the container has %+v", port, container.Ports)
	}
	if container.EnvFrom[0].ConfigMapRef.Name != m.config.Name {
		t.Errorf("the container reads %q, the ConfigMap is %q", container.EnvFrom[0].ConfigMapRef.Name, m.config.Name)
	}
	known := geogate.Variables(t)
	for name := range m.config.Data {
		if !slices.Contains(known, name) {
			t.Errorf("geogate does not read %s", name)
		}
	}
}

var versioned = regexp.MustCompile(`^ghcr\.io/[a-z]+/geogate:.+$`)

// Pods start, drain and end as geogate does, and may do no more than it needs.
func TestPod(t *testing.T) {
	m := read(t)
	pod := m.deployment.Spec.Template.Spec
	c := pod.Containers[0]
	if !versioned.MatchString(c.Image) {
		t.Errorf("image %q", c.Image)
	}
	for path, probe := range map[string]*corev1.Probe{"/healthz": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
		if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != path {
			t.Errorf("the probe of %s is %+v", path, probe)
		}
	}
	if s := c.StartupProbe; s == nil || s.HTTPGet.Path != "/healthz" || s.PeriodSeconds*s.FailureThreshold < 60 {
		t.Errorf("the startup probe is %+v, want a minute", s)
	}
	const stopping = 25 // seconds that geogate may take
	if c.Lifecycle == nil || c.Lifecycle.PreStop == nil || c.Lifecycle.PreStop.Sleep == nil {
		t.Fatal("no pause before the end: the image has no shell, so it is the sleep action")
	}
	if grace := *pod.TerminationGracePeriodSeconds; grace < stopping+c.Lifecycle.PreStop.Sleep.Seconds {
		t.Errorf("a pod is killed after %d s, too soon to drain", grace)
	}
	if s := pod.SecurityContext; s == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("the pod may do %+v", s)
	}
	if s := c.SecurityContext; s == nil || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
		t.Errorf("the container may do %+v", s)
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
		t.Error("the pod gets a token for the cluster")
	}
	if *m.scaler.Spec.MinReplicas < 2 || m.budget.Spec.MaxUnavailable.IntValue() != 1 {
		t.Errorf("%d pods at least, %v may be missing: one has to stay", *m.scaler.Spec.MinReplicas, m.budget.Spec.MaxUnavailable)
	}
}
