/** The CDK context by which an app is deployed on another Temporal than its code names: `<host>:<port>`, or that and `/<namespace>`. */
export const OTHER_TEMPORAL_CONTEXT = 'elastic-workers:temporal';
