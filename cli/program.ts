/** The commands and their options. Each command's code is in a file of its own, loaded when the command is run. */
import { Command } from 'commander';
import packageFile from '../package.json' with { type: 'json' };
import { stackCommand, type Shell } from './shell.ts';

const POOL = ['<pool>', 'the pool’s name'] as const;

export function programOf(shell: Shell): Command {
  const program = new Command('elastic-workers')
    .description('Operates pools of Temporal workers: shows what they do and why, and finds what is wrong.')
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

/** Run in a project's folder. */
function addStarting(program: Command, shell: Shell): void {
  program
    .command('init')
    .description('Create a small project: workflows, a worker, a CDK app that deploys it, and a test.')
    .argument('[folder]', 'where to create it (default: the current folder)')
    .option('--language <language>', 'language of workflows and activities: typescript or python', 'typescript')
    .option('--json', 'print the created files as JSON')
    .action(async (folder, options) => (await import('./init.ts')).init(shell, folder, options));
  program
    .command('dev')
    .description(
      'Run your CDK app on this machine: Temporal, emulated AWS, tasks as processes. Needs no AWS account and no Docker.',
    )
    .option('--app <command>', 'CDK app to use instead of the one in cdk.json')
    .option(
      '--run <pool=command>',
      'command that runs a pool’s tasks, if its image is not this package’s worker',
      appended,
      [],
    )
    .option('--start <command>', 'run this once everything is up, such as a program that starts a workflow')
    .option('--no-watch', 'do not redeploy when a file changes')
    .option('--start-delay <min-max>', 'range of a task’s start-up time, in seconds', '2-5')
    .option('--temporal-port <port>', 'port of the Temporal server (default: a free one)')
    .option('--ui-port <port>', 'port of Temporal’s Web UI (default: a free one)')
    .action(async (options) => (await import('./dev.ts')).dev(shell, options));
}

/** Run against a real AWS account. */
function addProving(program: Command, shell: Shell): void {
  program
    .command('prove')
    .description('Test on your AWS account: deploy a small stack, run work on it, destroy it, and write a report.')
    .option('--temporal-address <host:port>', 'where workers and scaler reach Temporal (default: TEMPORAL_ADDRESS)')
    .option('--temporal-namespace <name>', 'Temporal namespace (default: TEMPORAL_NAMESPACE, then "default")')
    .option('--temporal-secret-arn <arn>', 'Secrets Manager secret that holds the API key or certificate')
    .option('--plaintext', 'connect to Temporal without TLS')
    .option('--vpc <id>', 'run in the private subnets of this VPC, if Temporal can only be reached from there')
    .option('--keep', 'keep the stack at the end')
    .option('--yes', 'start without asking')
    .option('--report <file>', 'file to write the report to', 'prove-report.md')
    .option('--json', 'also print the report as JSON, and everything else to standard error')
    .action(async (options) => (await import('./prove/prove.ts')).prove(shell, options));
}

function appended(value: string, before: string[]): string[] {
  return [...before, value];
}

function addWatching(program: Command, shell: Shell): void {
  stackCommand(program, 'status', 'Show all pools: backlog, age, slots, tasks, reason, alarms.')
    .option('--watch [seconds]', 'refresh at this interval (default: 2 seconds)')
    .action(async (options) => (await import('./status.ts')).status(shell, options));
  stackCommand(program, 'doctor', 'Find problems, and say why they matter and how to fix them.')
    .option('--pre', 'check what a deployment would wait for or fail on; works before the first deployment, too')
    .option('--wait [seconds]', 'repeat until all checks pass, for at most this long (default: 300 seconds)')
    .action(async (options) => (await import('./doctor/doctor.ts')).doctor(shell, options));
  stackCommand(program, 'explain', 'Show a pool’s last decisions with their numbers.')
    .argument(...POOL)
    .option('--last <count>', 'number of decisions; consecutive ticks that decided the same count as one', '10')
    .action(async (pool, options) => (await import('./explain.ts')).explain(shell, pool, options));
  stackCommand(program, 'eval', 'Read once and decide with the shipped code; changes nothing.')
    .argument('[pool]', 'the pool’s name (default: all pools)')
    .action(async (pool, options) => (await import('./evaluate.ts')).evaluate(shell, pool, options));
  stackCommand(program, 'cost', 'Show what each pool has cost, and what a month at that rate would cost.')
    .option('--hours <count>', 'how many hours to look back', '24')
    .action(async (options) => (await import('./cost.ts')).cost(shell, options));
  stackCommand(program, 'console', 'Serve a web console on this machine until you stop it.')
    .option('--port <port>', 'port on 127.0.0.1; 0 for any free one', '8234')
    .option('--temporal-ui <url>', 'URL of Temporal’s Web UI; not needed for Temporal Cloud or a local server')
    .action(async (options) => (await import('./console.ts')).serveConsole(shell, options));
}

function addOverruling(program: Command, shell: Shell): void {
  stackCommand(program, 'pause', 'Keep a pool’s fleet as it is until resume.')
    .argument(...POOL)
    .action(async (pool, options) => (await import('./overrule.ts')).pause(shell, pool, options));
  stackCommand(program, 'resume', 'End a pause.')
    .argument(...POOL)
    .action(async (pool, options) => (await import('./overrule.ts')).resume(shell, pool, options));
  stackCommand(program, 'set', 'Override a pool’s limits.')
    .argument(...POOL)
    .option('--min <tasks>', 'override minTasks')
    .option('--max <tasks>', 'override maxTasks')
    .option('--reset', 'remove both overrides')
    .action(async (pool, options) => (await import('./overrule.ts')).set(shell, pool, options));
  stackCommand(program, 'drain', 'Let one task finish its work, then remove it; nothing is killed.')
    .argument('<task>', 'the task’s id, or the beginning of it')
    .option('--no-wait', 'do not wait until the task is gone')
    .action(async (task, options) => (await import('./drain.ts')).drain(shell, task, options));
}

/** These need no stack. They print JSON anyway, or have a --json of their own. */
function addOffline(program: Command, shell: Shell): void {
  program
    .command('replay')
    .description('Run the policy over tick records from standard input: one decision per line, as JSON.')
    .option('--policy <json>', 'settings that override every record’s policy, such as \'{"maxTasks":50}\'', '{}')
    .option('--json', 'accepted for consistency; the output is always JSON')
    .action(async (options) => (await import('./replay.ts')).replay(shell, options));
  program
    .command('simulate')
    .description('Run the policy and its peers on your own load; for its options: elastic-workers simulate --help')
    .argument('[options...]')
    .helpOption(false)
    .allowUnknownOption()
    .action(async (args) => (await import('./simulate.ts')).simulate(args));
}
