/** The commands and their options. What each does is in a file of its own, loaded when it is called for. */
import { Command } from 'commander';
import packageFile from '../package.json' with { type: 'json' };
import { stackCommand, type Shell } from './shell.ts';

const POOL = ['<pool>', 'its name'] as const;

export function programOf(shell: Shell): Command {
  const program = new Command('elastic-workers')
    .description('Looks after pools of Temporal workers: what they do, why, and what is wrong.')
    .version(packageFile.version)
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: (text) => void shell.stdout.write(text),
      writeErr: (text) => void shell.stderr.write(text),
    });
  addStarting(program, shell);
  addProving(program, shell);
  addWatching(program, shell);
  addOverruling(program, shell);
  addOffline(program, shell);
  return program;
}

/** These are run in the folder of a project. */
function addStarting(program: Command, shell: Shell): void {
  program
    .command('init')
    .description('Makes a small project of your own: workflows, a worker, the CDK app that deploys it, a test.')
    .argument('[folder]', 'where; the current folder unless given')
    .option('--language <language>', 'of workflows and activities: typescript or python', 'typescript')
    .option('--json', 'print what was made as JSON')
    .action(async (folder, options) => (await import('./init.ts')).init(shell, folder, options));
  program
    .command('dev')
    .description(
      'Runs your CDK app on this machine: Temporal, AWS emulated, tasks as processes. No AWS account, no Docker.',
    )
    .option('--app <command>', 'the CDK app, instead of the one in cdk.json')
    .option(
      '--run <pool=command>',
      'how a pool’s tasks are run whose image is no worker of this package’s',
      appended,
      [],
    )
    .option('--start <command>', 'run this once everything is up, such as a program that starts a workflow')
    .option('--no-watch', 'do not deploy again when a file changes')
    .option('--start-delay <min-max>', 'seconds a task takes to start, drawn from this range', '2-5')
    .option('--temporal-port <port>', 'of the Temporal server (default: a free one)')
    .option('--ui-port <port>', 'of Temporal’s Web UI (default: a free one)')
    .action(async (options) => (await import('./dev.ts')).dev(shell, options));
}

/** On a real account. */
function addProving(program: Command, shell: Shell): void {
  program
    .command('prove')
    .description('Proves it on your AWS account: deploys a small stack, works it, destroys it, and writes a report.')
    .option('--temporal-address <host:port>', 'where workers and scaler reach Temporal; TEMPORAL_ADDRESS unless given')
    .option('--temporal-namespace <name>', 'TEMPORAL_NAMESPACE unless given, else default')
    .option('--temporal-secret-arn <arn>', 'of the Secrets Manager secret with the key or certificate')
    .option('--plaintext', 'Temporal is reached without TLS')
    .option('--vpc <id>', 'run in the private subnets of this VPC, for a Temporal that is reached from there alone')
    .option('--keep', 'leave the stack at the end')
    .option('--yes', 'do not ask before it begins')
    .option('--report <file>', 'where the report goes', 'prove-report.md')
    .option('--json', 'print the report as JSON too, and all else to standard error')
    .action(async (options) => (await import('./prove/prove.ts')).prove(shell, options));
}

function appended(value: string, before: string[]): string[] {
  return [...before, value];
}

function addWatching(program: Command, shell: Shell): void {
  stackCommand(program, 'status', 'All pools: backlog, age, slots, tasks, reason, alarms.')
    .option('--watch [seconds]', 'draw it again every so often, 2 seconds unless said')
    .action(async (options) => (await import('./status.ts')).status(shell, options));
  stackCommand(program, 'doctor', 'Looks for what is wrong, and says why it matters and how it is mended.')
    .option('--pre', 'before a deployment, also the first: what it would have to wait for, or fail on')
    .option('--wait [seconds]', 'look again until all is well, for 300 seconds unless said')
    .action(async (options) => (await import('./doctor/doctor.ts')).doctor(shell, options));
  stackCommand(program, 'explain', 'A pool’s last decisions with their numbers.')
    .argument(...POOL)
    .option('--last <count>', 'so many decisions; ticks that decided the same are one', '10')
    .action(async (pool, options) => (await import('./explain.ts')).explain(shell, pool, options));
  stackCommand(program, 'eval', 'One read and decision with the shipped code; changes nothing.')
    .argument('[pool]', 'all of them unless given')
    .action(async (pool, options) => (await import('./evaluate.ts')).evaluate(shell, pool, options));
  stackCommand(program, 'cost', 'What each pool has cost, and what a month at that rate would.')
    .option('--hours <count>', 'so many hours back', '24')
    .action(async (options) => (await import('./cost.ts')).cost(shell, options));
  stackCommand(program, 'console', 'A web page of all this on this machine, until it is ended.')
    .option('--port <port>', 'of 127.0.0.1; 0 for any free one', '8234')
    .option('--temporal-ui <url>', 'where Temporal’s Web UI is; Cloud’s and a local server’s are known')
    .action(async (options) => (await import('../console/command.ts')).serveConsole(shell, options));
}

function addOverruling(program: Command, shell: Shell): void {
  stackCommand(program, 'pause', 'Leaves a pool’s fleet as it is, until resume.')
    .argument(...POOL)
    .action(async (pool, options) => (await import('./overrule.ts')).pause(shell, pool, options));
  stackCommand(program, 'resume', 'Ends a pause.')
    .argument(...POOL)
    .action(async (pool, options) => (await import('./overrule.ts')).resume(shell, pool, options));
  stackCommand(program, 'set', 'Overrules a pool’s limits.')
    .argument(...POOL)
    .option('--min <tasks>', 'instead of its minTasks')
    .option('--max <tasks>', 'instead of its maxTasks')
    .option('--reset', 'take both off again')
    .action(async (pool, options) => (await import('./overrule.ts')).set(shell, pool, options));
  stackCommand(program, 'drain', 'Has one task finish its work and leave; nothing is killed.')
    .argument('<task>', 'its id, or the beginning of it')
    .option('--no-wait', 'do not wait until it has left')
    .action(async (task, options) => (await import('./drain.ts')).drain(shell, task, options));
}

/** These need no stack. What they print is JSON already, or has a --json of its own. */
function addOffline(program: Command, shell: Shell): void {
  program
    .command('replay')
    .description('The policy over tick records from standard input: one decision a line, as JSON.')
    .option('--policy <json>', 'overrides of every record’s policy, such as \'{"maxTasks":50}\'', '{}')
    .option('--json', 'as it is')
    .action(async (options) => (await import('./replay.ts')).replay(shell, options));
  program
    .command('simulate')
    .description('The policy and its peers on a load of your own; its options: elastic-workers simulate --help')
    .argument('[options...]')
    .helpOption(false)
    .allowUnknownOption()
    .action(async (args) => (await import('./simulate.ts')).simulate(args));
}
