/**
 * All strategies of this worker. Register your own here, each from a file beside this one:
 *
 *     import { review } from './review.ts';
 *     registerStrategy('review', review);
 *
 * This module is part of both the workflow bundle and the activities, so that a strategy is known in both or in neither.
 */
import { registerStrategy, strategyNamed, strategyNames } from './registry.ts';

export { registerStrategy, strategyNamed, strategyNames };
