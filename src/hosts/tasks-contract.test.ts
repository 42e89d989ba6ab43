/** The contract of tasks, on the machine of the home and on a host. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import { HostsFixture } from '../../test/hosts-fixture.ts';
import { describeTasksContract } from '../../test/tasks-contract.ts';

const fixture = new HostsFixture();
after(() => fixture.close());
const parentIn = (name: string): string => {
  const parent = join(fixture.root, name, 'training');
  mkdirSync(parent, { recursive: true });
  return parent;
};

describeTasksContract('tasks of one machine', async () => {
  const local = await fixture.openLocal();
  return { tasks: local.tasks, host: null, parent: parentIn('one') };
});

describeTasksContract('tasks of a home without a host that has room', async () => {
  const home = await fixture.openHome();
  await fixture.openHost('small', { cpuMilli: 500 });
  return { tasks: home.tasks, host: null, parent: parentIn('home') };
});

describeTasksContract('tasks of a home with a host', async () => {
  const home = await fixture.openHome();
  await fixture.openHost('h1');
  return { tasks: home.tasks, host: 'h1', parent: parentIn('host') };
});
