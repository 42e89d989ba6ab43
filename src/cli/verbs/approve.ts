/** `penstock approve` and `penstock reject`: only approved versions deploy. */
import type { Command } from 'commander';
import type { VersionBody } from '../../api/index.ts';
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
      const version = await decide(await session.client(), reference, approval, options.note);
      const next = approval === 'Approved' ? `: deploy it with \`penstock deploy ${version.name}\`` : '';
      session.print(version, `${version.name} is ${session.style.state(version.approval)}${next}\n`);
      return 0;
    });
}

export function decide(client: Client, reference: string, approval: 'Approved' | 'Rejected', note?: string): Promise<VersionBody> {
  return client.post<VersionBody>(`${versionPath(reference)}/approval`, { json: note === undefined ? { approval } : { approval, note } });
}
