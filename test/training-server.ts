/** A server of training jobs in a directory, for tests that kill it: creates one job unless it is there, and lives until it is killed. */
import { TrainingFixture } from './training-fixture.ts';

const [directory = '', name = '', script = ''] = process.argv.slice(2);
const fixture = await TrainingFixture.open({ directory });
if ((await fixture.training.find(name)) === null)
  await fixture.training.create(
    fixture.spec(name, script, {
      group: 'killed',
      metrics: [
        { name: 'n', regex: 'line ([0-9]+)' },
        { name: 'pid', regex: 'pid ([0-9]+)' },
      ],
    }),
    'tester',
  );
process.stdout.write('open\n');
setInterval(() => undefined, 60_000);
