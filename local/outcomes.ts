/** The outcome of each workflow, from its history in Temporal. */
import type { Client } from '@temporalio/client';

export interface Outcome {
  end: 'completed' | 'failed' | 'still open';
  /** From the workflow's start to the start of its first activity; undefined when none has started. */
  waitSeconds: number | undefined;
  /** Activity attempts that did not end with a result (timed out, failed or cancelled): the reason of each, as far as known. */
  lostAttempts: string[];
}

export async function readOutcomes(client: Client, workflowType: string): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const workflows = client.workflow.list({ query: `WorkflowType = '${workflowType}'`, pageSize: 1000 });
  for await (const { history } of workflows.intoHistories({ concurrency: 20 }))
    outcomes.push(outcomeOf(history as History));
  return outcomes;
}

interface History {
  events?: HistoryEvent[] | null;
}

/** What is read of an event in Temporal's API. */
interface HistoryEvent {
  eventTime?: { seconds?: number | { toNumber(): number } | null; nanos?: number | null } | null;
  workflowExecutionStartedEventAttributes?: unknown;
  workflowExecutionCompletedEventAttributes?: unknown;
  workflowExecutionFailedEventAttributes?: unknown;
  workflowExecutionTimedOutEventAttributes?: unknown;
  workflowExecutionTerminatedEventAttributes?: unknown;
  workflowExecutionCanceledEventAttributes?: unknown;
  activityTaskStartedEventAttributes?: { attempt?: number | null; lastFailure?: Failure | null } | null;
  activityTaskFailedEventAttributes?: { failure?: Failure | null } | null;
  activityTaskTimedOutEventAttributes?: { failure?: Failure | null } | null;
  activityTaskCanceledEventAttributes?: object | null;
}

interface Failure {
  message?: string | null;
}

export function outcomeOf(history: History): Outcome {
  const events = history.events ?? [];
  const started = events.find((event) => event.workflowExecutionStartedEventAttributes);
  const firstActivity = events.find((event) => event.activityTaskStartedEventAttributes);
  return {
    end: endOf(events.at(-1) ?? {}),
    waitSeconds: started && firstActivity && secondsOf(firstActivity) - secondsOf(started),
    lostAttempts: events.flatMap(lostAttemptsOf),
  };
}

/** Attempts that were retried leave no event of their own: the last one's start tells how many there were. */
function lostAttemptsOf(event: HistoryEvent): string[] {
  const { attempt, lastFailure } = event.activityTaskStartedEventAttributes ?? {};
  if (attempt) return Array<string>(attempt - 1).fill(lastFailure?.message ?? 'unknown');
  const ended = event.activityTaskFailedEventAttributes ?? event.activityTaskTimedOutEventAttributes;
  if (ended) return [ended.failure?.message ?? 'unknown'];
  return event.activityTaskCanceledEventAttributes ? ['cancelled'] : [];
}

function endOf(last: HistoryEvent): Outcome['end'] {
  if (last.workflowExecutionCompletedEventAttributes) return 'completed';
  const failed =
    last.workflowExecutionFailedEventAttributes ??
    last.workflowExecutionTimedOutEventAttributes ??
    last.workflowExecutionTerminatedEventAttributes ??
    last.workflowExecutionCanceledEventAttributes;
  return failed ? 'failed' : 'still open';
}

function secondsOf({ eventTime }: HistoryEvent): number {
  const seconds = eventTime?.seconds ?? 0;
  return (typeof seconds === 'number' ? seconds : seconds.toNumber()) + (eventTime?.nanos ?? 0) / 1e9;
}
