/** Tests of the whole system take minutes, most of them spent waiting: they begin first, so that none is left alone at the end. */
import Sequencer from '@jest/test-sequencer';

const WHOLE_SYSTEM = /[/\\]test[/\\](integration|faults)[/\\]/;

export default class WholeSystemFirst extends Sequencer {
  async sort(tests) {
    const { true: first = [], false: others = [] } = Object.groupBy(await super.sort(tests), ({ path }) =>
      WHOLE_SYSTEM.test(path),
    );
    return [...first, ...others];
  }
}
