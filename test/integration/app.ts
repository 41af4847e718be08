/**
 * The CDK app that tests deploy; the context defines its stack: `-c workers={"Name":{props}}`, each an ElasticWorkers,
 * with images by name.
 */
import { App, Stack } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { ElasticWorkers, type ElasticWorkersProps, type WorkerPoolProps } from '../../infra/index.ts';

/** As in the context: JSON, so an image is a string. */
export interface TestedWorkers extends Omit<
  ElasticWorkersProps,
  'pools' | 'temporal' | 'workerImage' | 'sidecarImage'
> {
  pools: Record<string, Omit<WorkerPoolProps, 'image'> & { image?: string }>;
}

const app = new App();
const stack = new Stack(app, 'Tested', { env: { account: '000000000000', region: 'us-east-1' } });
const context = (name: string) => String(app.node.getContext(name));
const image = (name: string) => ecs.ContainerImage.fromRegistry(name);

for (const [id, props] of Object.entries(JSON.parse(context('workers')) as Record<string, TestedWorkers>)) {
  const pools = Object.entries(props.pools).map(([name, pool]): [string, WorkerPoolProps] => [
    name,
    { ...pool, image: pool.image === undefined ? undefined : image(pool.image) } as WorkerPoolProps,
  ]);
  new ElasticWorkers(stack, id, {
    ...props,
    pools: Object.fromEntries(pools),
    temporal: { address: context('temporalAddress') },
    workerImage: image(context('workerImage')),
    sidecarImage: image(context('sidecarImage')),
  });
}
