/** The page of a model group: versions, pending approval, comparison and history. */
import './registry.css';
import { Button, Tabs } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { type ReactElement, type ReactNode, useState } from 'react';
import type { EndpointBody, GroupBody, VersionBody } from '../../../src/api/index.ts';
import { path, remove } from '../api/client.ts';
import { groupQuery, profileQuery } from '../api/model-queries.ts';
import { endpointsQuery } from '../api/queries.ts';
import { versionToDeploy } from '../api/rolled-back-versions.ts';
import { useHasPermission } from '../api/session.ts';
import { Chip } from '../kit/chip.tsx';
import { Confirm } from '../kit/confirm.tsx';
import { plural } from '../kit/format/format.ts';
import { Icon } from '../kit/icon.tsx';
import { Earlier } from '../kit/page/earlier.tsx';
import { Empty } from '../kit/page/empty.tsx';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { PageLayout } from '../kit/page/page.tsx';
import { useParameter, useSearchValue, useSearchValues, useTab } from '../kit/page/search-state.ts';
import { ApprovalCard } from './approval-card.tsx';
import { CompareCard } from './compare/compare-card.tsx';
import type { Compared } from './compare/compare-versions.ts';
import { previousApproved, tickedOf, tickText } from './compare/compared-pair.ts';
import { ProfileChart } from './compare/profile-chart.tsx';
import { QualityCostChart } from './compare/quality-cost-chart.tsx';
import { HistoryTab } from './history-tab.tsx';
import { ModelCardTab } from './model-card-tab.tsx';
import { endpointsOf } from './serving-endpoints.ts';
import { isPlannable } from './upload/python-checks.tsx';
import { UploadCard } from './upload/upload.tsx';
import { usePlans } from './use-costs.ts';
import { useKnownVersions, useVersions } from './use-versions.ts';
import { VersionCard } from './version-card.tsx';
import { VersionsTable } from './versions-table.tsx';

/** Limits the plans per page: each takes the server a few milliseconds. */
const plannedMax = 8;

export function GroupPage(): ReactElement {
  const group = useParameter('group');
  const described = useQuery(groupQuery(group));
  const versions = useVersions(group);
  const endpoints = useQuery(endpointsQuery());
  const [tab, setTab] = useTab(['versions', 'card', 'history']);
  const [{ upload }, change] = useSearchValues();
  const mayRegister = useHasPermission('register');
  const isUploading = mayRegister && upload !== undefined;
  const serving = endpointsOf(endpoints.data?.items ?? [], group);
  // The latest approved version may not be among the loaded ones.
  const latest = described.data?.latest_approved ?? null;
  const candidates = [
    ...(versions.data ?? []),
    ...(latest === null ? [] : [{ name: `${group}/${latest}`, version: latest, approval: 'Approved' as const }]),
  ];
  const isKnown = !endpoints.isPending && !versions.isPending;
  const model = isKnown ? versionToDeploy(candidates, endpoints.data?.items ?? []) : null;
  const earlier = versions.hasNextPage ? (
    <Earlier isBusy={versions.isFetchingNextPage} onMore={() => void versions.fetchNextPage()} />
  ) : undefined;
  return (
    <PageLayout
      title={group}
      aside={
        described.data === undefined ? null : (
          <>
            <Chip>{plural(described.data.versions, 'version')}</Chip>
            {serving.length > 0 ? <Chip>{plural(serving.length, 'endpoint')}</Chip> : null}
          </>
        )
      }
      facts={described.data === undefined || described.data.description === '' ? undefined : <span>{described.data.description}</span>}
      actions={described.data === undefined ? undefined : <Actions group={described.data} model={model} isUploading={isUploading} />}
    >
      {isUploading ? (
        <UploadCard group={group} onRegistered={() => change({ upload: undefined })} onCancel={() => change({ upload: undefined })} />
      ) : null}
      <LoadedContent query={versions} what={`The versions of ${group} could not be loaded.`} heights={[40, 280, 320]}>
        {(items) =>
          items.length === 0 ? (
            <Empty title={`${group} has no versions`} command={`penstock register model.onnx --group ${group}`}>
              Upload a version, or delete the group.
            </Empty>
          ) : (
            <Tabs value={tab} onChange={(value) => setTab(value ?? 'versions')} keepMounted={false}>
              <Tabs.List mb="lg">
                <Tabs.Tab value="versions">
                  Versions <span className="dim">{described.data?.versions ?? items.length}</span>
                </Tabs.Tab>
                <Tabs.Tab value="card">Model card</Tabs.Tab>
                <Tabs.Tab value="history">History</Tabs.Tab>
              </Tabs.List>
              <Tabs.Panel value="versions">
                <Versions versions={items} latestApproved={latest} endpoints={endpoints.data?.items ?? []} earlier={earlier} />
              </Tabs.Panel>
              <Tabs.Panel value="card">
                <ModelCardTab versions={items} />
              </Tabs.Panel>
              <Tabs.Panel value="history">
                <HistoryTab versions={items} earlier={earlier} />
              </Tabs.Panel>
            </Tabs>
          )
        }
      </LoadedContent>
    </PageLayout>
  );
}

interface ActionsProps {
  readonly group: GroupBody;
  /** The version to deploy; null if there is none. */
  readonly model: string | null;
  readonly isUploading: boolean;
}

function Actions({ group, model, isUploading }: ActionsProps): ReactElement {
  const [, change] = useSearchValues();
  const [isDeleting, setIsDeleting] = useState(false);
  const navigate = useNavigate();
  const client = useQueryClient();
  const [mayRegister, mayDeploy] = [useHasPermission('register'), useHasPermission('deploy')];
  const removed = async (): Promise<void> => {
    await remove(path('/groups/:group', { group: group.name }));
    await client.invalidateQueries({ queryKey: ['groups'] });
    await navigate({ to: '/models' });
  };
  return (
    <>
      {mayRegister && group.versions === 0 ? (
        <Button variant="danger" onClick={() => setIsDeleting(true)}>
          Delete group…
        </Button>
      ) : null}
      {mayRegister && !isUploading ? (
        <Button leftSection={<Icon name="upload" />} onClick={() => change({ upload: '1' })}>
          Upload version
        </Button>
      ) : null}
      {mayDeploy && model !== null && !isUploading ? (
        <Button
          variant="filled"
          leftSection={<Icon name="plus" />}
          renderRoot={(props: object) => <Link to="/deploy" search={{ model }} {...props} />}
        >
          Deploy {model}
        </Button>
      ) : null}
      {isDeleting ? (
        <Confirm
          title={`Delete group ${group.name}?`}
          consequences={['The group has no versions. Its name becomes available.']}
          action="Delete group"
          onConfirm={removed}
          onClose={() => setIsDeleting(false)}
        />
      ) : null}
    </>
  );
}

const commonObjectives = ['p95<=10ms', 'p95<=25ms', 'p95<=50ms', 'p95<=100ms', 'p95<=250ms', 'p95<=1s'];

/** The objective for plans: that in the URL, or else that of an endpoint that serves the group. */
function useObjective(endpoints: readonly EndpointBody[], group: string) {
  const promised = endpointsOf(endpoints, group).flatMap(({ objective }) => objective ?? []);
  const [objective, setObjective] = useSearchValue('at', promised[0] ?? 'p95<=50ms');
  return { objective, setObjective, objectives: [...new Set([...commonObjectives, ...promised, objective])] };
}

interface VersionsProps {
  readonly versions: readonly VersionBody[];
  readonly latestApproved: number | null;
  readonly endpoints: readonly EndpointBody[];
  readonly earlier: ReactNode;
}

function Versions({ versions, latestApproved, endpoints, earlier }: VersionsProps): ReactElement {
  const [{ compare, version: shownText }, change] = useSearchValues();
  const group = versions[0]?.group ?? '';
  const { objective, setObjective, objectives } = useObjective(endpoints, group);
  const known = useKnownVersions(versions, group, [
    Number(shownText),
    ...(compare?.split(',').slice(0, 2).map(Number) ?? []),
    ...(latestApproved === null ? [] : [latestApproved]),
  ]);
  const ticked = tickedOf(compare, known);
  const pair = ticked.flatMap((number) => known.find(({ version }) => version === number) ?? []);
  const planned = [...new Set([...pair, ...versions.slice(0, plannedMax)])].filter(isPlannable).map(({ name }) => name);
  const plans = usePlans(planned, objective);
  const mayApprove = useHasPermission('approve');
  const pending = known.find(
    ({ approval, version }) => approval === 'PendingManualApproval' && (shownText === undefined || version === Number(shownText)),
  );
  const shown = known.find(({ version }) => version === Number(shownText)) ?? pending ?? versions[0];
  const compared = useCompared(pair, plans);
  const [before, after] = compared;
  return (
    <>
      <div className="grid">
        <VersionsTable
          versions={versions}
          endpoints={endpoints}
          plans={plans}
          objective={objective}
          ticked={ticked}
          shown={shown?.version ?? null}
          earlier={earlier}
          onTick={(version, isTicked) => change({ compare: tickText(ticked, version, isTicked) }, { replace: true })}
        />
        {shown === undefined ? null : mayApprove && shown === pending ? (
          <ApprovalCard key={shown.name} version={shown} previous={previousApproved(known, shown)} endpoints={endpoints} />
        ) : (
          <VersionCard version={shown} endpoints={endpoints} />
        )}
      </div>
      {compared.length === 0 ? null : (
        <div className="grid">
          {before === undefined || after === undefined ? null : (
            <CompareCard
              before={before}
              after={after}
              objective={objective}
              objectives={objectives}
              onObjective={setObjective}
              hasCosts={plans.size > 0}
            />
          )}
          <div className={after === undefined ? 'c12 stack' : 'c5 stack'}>
            <ProfileChart compared={compared} />
            {plans.size === 0 ? null : (
              <QualityCostChart versions={known} plans={plans} objective={objective} compared={pair.map(({ name }) => name)} />
            )}
          </div>
        </div>
      )}
    </>
  );
}

/** The ticked versions with their profiles and plans, older first. */
function useCompared(pair: readonly VersionBody[], plans: ReturnType<typeof usePlans>): readonly Compared[] {
  const [old, next] = pair.toSorted((a, b) => a.version - b.version);
  const first = useQuery({ ...profileQuery(old?.name ?? ''), enabled: old !== undefined });
  const second = useQuery({ ...profileQuery(next?.name ?? ''), enabled: next !== undefined });
  const profileOf = (query: typeof first): Compared['profile'] => query.data?.items.find(({ executor }) => executor === 'instance:local.1');
  return [
    ...(old === undefined ? [] : [{ version: old, profile: profileOf(first), plan: plans.get(old.name) }]),
    ...(next === undefined ? [] : [{ version: next, profile: profileOf(second), plan: plans.get(next.name) }]),
  ];
}
