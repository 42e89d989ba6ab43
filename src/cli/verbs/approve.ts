/** `penstock approve` and `penstock reject`: only approved versions deploy. */
import type { Command } from 'commander';
import type { EndpointBody, VersionBody } from '../../api/index.ts';
import type { Client } from '../client.ts';
import type { Doors } from '../doors.ts';
import { versionPath } from '../model-source.ts';
import { type CommonOptions, verb } from '../verb.ts';

interface DecisionOptions extends CommonOptions {
  readonly note?: string;
}

export function addApprove(program: Command, doors: Doors): void {
  addDecision(program, doors, 'approve', 'Approved', 'approve a model version for deployment');
}

export function addReject(program: Command, doors: Doors): void {
  addDecision(program, doors, 'reject', 'Rejected', 'reject a model version');
}

function addDecision(program: Command, doors: Doors, name: string, approval: 'Approved' | 'Rejected', summary: string): void {
  verb(program, doors, `${name} <group/version>`, summary)
    .with((command) => command.option('--note <text>', 'why'))
    .runs(async (session, options: DecisionOptions, reference: string) => {
      const client = await session.client();
      const version = await decide(client, reference, approval, options.note);
      const next = approval === 'Approved' ? `: deploy it with \`penstock deploy ${version.name}\`` : await stillServed(client, version);
      session.print(version, `${version.name} is ${session.style.state(version.approval)}${next}\n`);
      return 0;
    });
}

/** A rejection keeps a version from being deployed; it takes it from nobody. */
async function stillServed(client: Client, { name }: VersionBody): Promise<string> {
  const endpoints = await client.all<EndpointBody>('/endpoints').catch(() => []); // who may reject need not see them
  const serving = endpoints.filter(({ variants }) => variants.some(({ model }) => model === name)).map((endpoint) => endpoint.name);
  if (serving.length === 0) return '';
  return `; ${serving.join(' and ')} serve${serving.length === 1 ? 's' : ''} it, and will go on: deploy another version there to end that`;
}

export function decide(client: Client, reference: string, approval: 'Approved' | 'Rejected', note?: string): Promise<VersionBody> {
  return client.post<VersionBody>(`${versionPath(reference)}/approval`, { json: note === undefined ? { approval } : { approval, note } });
}
