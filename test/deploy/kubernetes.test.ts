/**
 * Kubernetes and KEDA accept the manifests, and the worker starts with their environment.
 * (The schemas exist only as ES modules, hence the condition.)
 *
 * @jest-environment-options {"customExportConditions": ["node", "node-addons", "import"]}
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ScaledObject, type IScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject';
import { Deployment, type IDeployment } from 'kubernetes-models/apps/v1/Deployment';
import { parse } from 'yaml';
import { readConfig } from '../../worker/config.ts';

const read = (file: string) =>
  parse(readFileSync(join(import.meta.dirname, '../../deploy/kubernetes', file), 'utf8')) as unknown;

const deployment = read('worker.yaml') as IDeployment;
const scaledObject = read('keda.yaml') as IScaledObject;
const pod = deployment.spec!.template.spec!;
const container = pod.containers[0]!;
const env = Object.fromEntries((container.env ?? []).flatMap(({ name, value }) => (value ? [[name, value]] : [])));

test('the Deployment is valid against its API’s schema', () => {
  expect(() => new Deployment(deployment).validate()).not.toThrow();
  const wrong = { ...deployment, spec: { ...deployment.spec, replicas: 'many' } };
  expect(() => new Deployment(wrong as never).validate()).toThrow('replicas must be integer');
});

test('the ScaledObject is valid against the schema of its resource definition', () => {
  expect(() => new ScaledObject(scaledObject).validate()).not.toThrow();
  expect(() => new ScaledObject({ ...scaledObject, spec: {} } as never).validate()).toThrow('scaleTargetRef');
});

test('the worker starts with the environment the Deployment gives it', () => {
  const config = readConfig(env);
  expect(config).toMatchObject({ taskQueue: 'agents', healthPort: 8080, metricsPort: 8000 });
});

test('a pod is not killed before its worker gives up', () => {
  const { shutdownForceSeconds, stopTimeoutSeconds } = readConfig(env);
  expect(shutdownForceSeconds).toBeLessThan(stopTimeoutSeconds);
  expect(stopTimeoutSeconds).toBeLessThan(pod.terminationGracePeriodSeconds!);
});

test('the readiness probe asks the worker’s health port, and no probe restarts a busy worker', () => {
  const { startupProbe, readinessProbe, livenessProbe, ports } = container;
  expect(ports).toContainEqual({ name: 'health', containerPort: readConfig(env).healthPort });
  expect(readinessProbe?.httpGet).toEqual({ path: '/health', port: 'health' });
  expect([startupProbe, livenessProbe]).toEqual([undefined, undefined]);
});

test('KEDA scales on the queue that the worker serves', () => {
  const [trigger] = scaledObject.spec!.triggers;
  expect(scaledObject.spec!.scaleTargetRef.name).toBe(deployment.metadata!.name);
  expect(trigger).toMatchObject({
    type: 'temporal',
    metadata: {
      endpoint: env.TEMPORAL_ADDRESS,
      namespace: env.TEMPORAL_NAMESPACE,
      taskQueue: env.TEMPORAL_TASK_QUEUE,
      targetQueueSize: env.ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES,
    },
  });
});
