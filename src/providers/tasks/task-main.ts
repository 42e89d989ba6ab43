/** The program that supervises one task: `node task-main.ts FOLDER`. It outlives the server that started it. */
import { SystemClock } from '../../clock.ts';
import { bootId, startTicks } from '../processes/process-facts.ts';
import { Supervisor } from './supervisor.ts';
import { claimTask, readTaskFile } from './task-plan.ts';

const [folder = ''] = process.argv.slice(2);
const plan = readTaskFile(folder, 'plan');
if (plan === null) throw new Error(`${folder} has no plan of a task`);
const own = { pid: process.pid, startTicks: startTicks(process.pid), bootId: bootId(), rootPid: null, commandPid: null };
if (claimTask(folder, own)) {
  process.title = `penstock-task ${plan.id}`;
  const supervisor = new Supervisor(folder, plan, new SystemClock());
  process.on('SIGTERM', () => supervisor.signalled());
  for (const name of ['SIGINT', 'SIGHUP'] as const) process.on(name, () => undefined);
  await supervisor.run();
  process.exit(0);
}
