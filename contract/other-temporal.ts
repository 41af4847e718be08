/** The CDK context that deploys an app on another Temporal than its code names: `<host>:<port>`, optionally with `/<namespace>`. */
export const OTHER_TEMPORAL_CONTEXT = 'elastic-workers:temporal';
