/**
 * What the AI SDK needs of a browser's globals and a workflow's sandbox lacks (`TransformStream`, `Headers`, …), by Temporal's own
 * stand-ins; where they exist already nothing happens. To be imported before `ai`. Temporal's plugin does the same when it makes the
 * bundle, but then a bundle made without it would fail in every workflow. Its package does not export the file by name.
 */
import '../../node_modules/@temporalio/ai-sdk/lib/preload-polyfills.js';
