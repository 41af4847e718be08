/** Links into Temporal's Web UI. Its URL is known for Cloud and derived for a local server; any other must be given. */
import type { PlacedPool } from '../deployed/temporal-places.ts';
import type { Link } from './view.ts';

export function temporalLinks({ taskQueue, temporal }: PlacedPool, base = uiOf(temporal.address)): Link[] {
  if (base === undefined) return [];
  const namespace = `${base.replace(/\/+$/, '')}/namespaces/${encodeURIComponent(temporal.namespace)}`;
  const workflows = (query: string) => `${namespace}/workflows?query=${encodeURIComponent(query)}`;
  const onQueue = `TaskQueue=${JSON.stringify(taskQueue)}`;
  return [
    { text: 'Task queue', url: `${namespace}/task-queues/${encodeURIComponent(taskQueue)}` },
    { text: 'Running workflows', url: workflows(`${onQueue} AND ExecutionStatus="Running"`) },
    { text: 'Failed workflows', url: workflows(`${onQueue} AND ExecutionStatus="Failed"`) },
  ];
}

function uiOf(address: string): string | undefined {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(address) ?? [];
  if (/\.(tmprl\.cloud|temporal\.io)$/.test(host)) return 'https://cloud.temporal.io';
  // The port that `temporal server start-dev` chooses.
  return /^(localhost|127\.0\.0\.1)$/.test(host) ? `http://${host}:${Number(port) + 1000}` : undefined;
}
