/** A server that a test kills: node tuning-server.ts DIRECTORY NAME. Creates the tuning job unless it is there, prints a line, and runs. */
import { TrainingFixture } from './training-fixture.ts';
import { lossTuning } from './tuning-spec.ts';

const [directory = '', name = ''] = process.argv.slice(2);
const fixture = await TrainingFixture.open({ directory });
if ((await fixture.tuning.find(name)) === null)
  await fixture.tuning.create(lossTuning(fixture, name, { maxJobs: 8, maxParallel: 2 }, 'sleep 0.5'), 'anonymous');
process.stdout.write('serving\n');
setInterval(() => undefined, 60_000);
