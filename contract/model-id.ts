/**
 * `provider:model`, as in `bedrock:amazon.nova-lite-v1:0`: the model for strategies that name none. For the embedded provider,
 * `offline:` is enough.
 */
export const MODEL_ID = /^(?:offline:\S*|[^:\s]+:\S+)$/;
