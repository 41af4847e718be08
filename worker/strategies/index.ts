/**
 * All strategies of this worker. Register your own here, each from a file beside this one:
 *
 *     import { review } from './review.ts';
 *     registerStrategy('review', review);
 *
 * This module is part of the workflows' bundle and of the activities alike, so that a strategy is known in both or in neither.
 */
import { registerStrategy, strategyNamed, strategyNames } from './registry.ts';

export { registerStrategy, strategyNamed, strategyNames };
