/**
 * `provider:model`, as in `bedrock:amazon.nova-lite-v1:0`: what a strategy asks when it does not say which. Of the embedded
 * provider, `offline:` is enough.
 */
export const MODEL_ID = /^(?:offline:\S*|[^:\s]+:\S+)$/;
