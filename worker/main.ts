/** The worker of this package's image: it runs only the strategies. `--verbose` logs more. */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runElasticWorker, strategies } from './index.ts';

const { verbose } = parseArgs({ options: { verbose: { type: 'boolean', default: false } } }).values;
if (verbose && process.env.LOG_LEVEL !== 'trace') process.env.LOG_LEVEL = 'debug';

await runElasticWorker({ workflowsPath: join(import.meta.dirname, 'workflows.ts'), plugins: [strategies()] });
