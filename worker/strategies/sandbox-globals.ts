/**
 * Browser globals that the AI SDK needs and a workflow sandbox lacks (`TransformStream`, `Headers`, …), from Temporal's own stand-ins;
 * existing ones are kept. Import this before `ai`. Temporal's plugin does the same when it builds the bundle, but then a bundle built
 * without it would fail in every workflow. Its package does not export the file by name.
 */
import '../../node_modules/@temporalio/ai-sdk/lib/preload-polyfills.js';
