/** Starts a workflow, and prints its result. `npm run dev` runs it when everything is up. */
import { Client, Connection } from '@temporalio/client';

const { TEMPORAL_ADDRESS: address = 'localhost:7233', TEMPORAL_NAMESPACE: namespace = 'default' } = process.env;
const connection = await Connection.connect({ address });
const client = new Client({ connection, namespace });
const workflow = await client.workflow.start('greeting', {
  taskQueue: '__NAME__',
  workflowId: `greeting-${Date.now()}`,
  args: [['Ada', 'Grace', 'Edsger']],
});
console.log(`Started ${workflow.workflowId}`);
console.log((await workflow.result()) as string[]);
await connection.close();
