/** `penstock groups` and `penstock versions`: the registered models. */
import type { Command } from 'commander';
import type { EndpointBody, GroupBody, VersionBody } from '../../../api/index.ts';
import type { CliContext } from '../../cli-context.ts';
import { pathSegment } from '../../client/client.ts';
import { isVersionOf, rolledBackVersionsOf } from '../../client/find-version.ts';
import { batchableText } from '../../options/python-options.ts';
import { bytesText, pairsText, timeText } from '../../output/format.ts';
import { table } from '../../output/table.ts';
import { verb } from '../../verb.ts';

export function addGroups(program: Command, context: CliContext): void {
  verb(program, context, 'groups', 'list the model groups').runs(async (session) => {
    const groups = await (await session.client()).all<GroupBody>('/groups');
    if (groups.length === 0) session.remark('no models are registered: try `penstock catalogue` or `penstock register FILE`');
    session.print(
      groups,
      table(groups, [
        { title: 'GROUP', cell: (group) => group.name },
        { title: 'VERSIONS', cell: (group) => group.versions, align: 'right' },
        { title: 'LATEST', cell: (group) => group.latest_version, align: 'right' },
        { title: 'APPROVED', cell: (group) => group.latest_approved, align: 'right' },
        { title: 'CREATED (UTC)', cell: (group) => timeText(group.created_at) },
        { title: 'DESCRIPTION', cell: (group) => group.description },
      ]),
    );
    return 0;
  });
}

export function addVersions(program: Command, context: CliContext): void {
  verb(program, context, 'versions <group>', 'list the versions of a model group').runs(async (session, _options, group: string) => {
    const client = await session.client();
    const known = await client.all<VersionBody>(`/groups/${pathSegment(group)}/versions`);
    const back = rolledBackVersionsOf(await client.all<EndpointBody>('/endpoints'));
    const versions = known.map((version) => ({
      ...version,
      rolled_back: back.filter((each) => isVersionOf(each, version)).map(({ endpoint, reason, at }) => ({ endpoint, reason, at })),
    }));
    session.print(
      versions,
      table(versions, [
        { title: 'VERSION', cell: (version) => version.name },
        { title: 'APPROVAL', cell: (version) => session.style.state(version.approval) },
        { title: 'BY', cell: (version) => version.approval_changed_by },
        { title: 'SIZE', cell: (version) => bytesText(version.artifact.bytes), align: 'right' },
        { title: 'BATCHABLE', cell: (version) => batchableText(version).split(':')[0] ?? '' },
        { title: 'METRICS', cell: (version) => pairsText(version.metrics) },
        { title: 'CREATED (UTC)', cell: (version) => timeText(version.created_at) },
        { title: 'SOURCE', cell: (version) => version.source_name },
        { title: 'NOTE', cell: (version) => backText(version.rolled_back.map(({ endpoint }) => endpoint)) },
      ]),
    );
    return 0;
  });
}

function backText(endpoints: readonly string[]): string | null {
  return endpoints.length === 0 ? null : `rolled back by ${endpoints.join(' and ')}`;
}
