/** The two kinds of errors: ECS refuses a call (EcsError), or a task cannot be started (TaskStartError). */

/** Thrown if ECS would refuse the request; `code` is the exception's name in ECS's API. */
export class EcsError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = code;
    this.code = code;
  }
}

export const clusterNotFound = () => new EcsError('ClusterNotFoundException', 'Cluster not found.');
export const serviceNotFound = () => new EcsError('ServiceNotFoundException', 'Service not found.');
export const invalidParameter = (message: string) => new EcsError('InvalidParameterException', message);

/** Thrown if a task cannot reach RUNNING; the message becomes its `stoppedReason`, in ECS's wording. */
export class TaskStartError extends Error {
  override name = 'TaskStartError';
}
