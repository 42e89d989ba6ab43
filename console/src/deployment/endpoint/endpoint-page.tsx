/** The page of one endpoint: state, tabs and actions. */
import { ActionIcon, Button, Menu, Tabs } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { type ReactElement, useMemo, useState } from 'react';
import type { AlarmBody, EndpointBody } from '../../../../src/api/index.ts';
import { ApiError, path, post, remove } from '../../api/client.ts';
import { useLive } from '../../api/live.tsx';
import { alarmsOfQuery, endpointQuery, historyQuery } from '../../api/queries.ts';
import { useHasPermission } from '../../api/session.ts';
import { Chip } from '../../kit/chip.tsx';
import { renderCode } from '../../kit/code.tsx';
import { Confirm } from '../../kit/confirm.tsx';
import {
  objective as formatObjective,
  parseObjectiveText,
  percent,
  percentInTime,
  plural,
  rate,
  sentence,
  usd,
} from '../../kit/format/format.ts';
import { dayOf } from '../../kit/format/time.ts';
import { Icon } from '../../kit/icon.tsx';
import { LiveStateMark } from '../../kit/live-state-mark.tsx';
import { LiveSwitch } from '../../kit/page/live-switch.tsx';
import { LoadedContent } from '../../kit/page/loaded.tsx';
import { Note } from '../../kit/page/note.tsx';
import { PageLayout } from '../../kit/page/page.tsx';
import { type RangeName, rangeForAge } from '../../kit/page/ranges.ts';
import { useParameter, useSearchValue, useSearchValues, useTab } from '../../kit/page/search-state.ts';
import { type ChosenRange, TimeRange, useTimeRange } from '../../kit/page/time-range.tsx';
import { now, shownInTime, sumsOf } from '../decisions/history-sums.ts';
import { endpointState, isBelowObjective } from '../endpoint-state.ts';
import { ChangeObjective } from './change-objective.tsx';
import { EndpointData } from './endpoint-data.tsx';
import { EndpointDecisions } from './endpoint-decisions.tsx';
import { EndpointLive } from './endpoint-live.tsx';
import { EndpointLogs } from './endpoint-logs.tsx';
import { EndpointNotes } from './endpoint-notes.tsx';
import { EndpointSelection } from './endpoint-selection.tsx';
import { EndpointSettings } from './endpoint-settings.tsx';
import { EndpointVariants, shareOf } from './endpoint-variants.tsx';
import { RollBack, rollBackVerb } from './roll-back.tsx';
import '../deployment.css';

export function EndpointPage(): ReactElement {
  const name = useParameter('endpoint');
  const endpoint = useQuery(endpointQuery(name));
  const range = useTimeRange(useRangeOfAge(endpoint.data?.created_at));
  useLive({ endpoint: name, ...range.live });
  if (endpoint.error instanceof ApiError && endpoint.error.status === 404) return <EndpointMissing name={name} />;
  return (
    <PageLayout
      title={name}
      aside={endpoint.data === undefined ? undefined : <PageFacts endpoint={endpoint.data} range={range} />}
      facts={endpoint.data === undefined ? undefined : <Facts endpoint={endpoint.data} />}
      actions={endpoint.data === undefined ? undefined : <Actions endpoint={endpoint.data} />}
    >
      <LoadedContent query={endpoint} what={`${name} could not be loaded.`} heights={[40, 92, 300]}>
        {(data) => <Content endpoint={data} range={range} />}
      </LoadedContent>
    </PageLayout>
  );
}

/** Chosen when the endpoint is loaded, so that the range does not change under the eyes of the user. */
function useRangeOfAge(createdAt: string | undefined): RangeName {
  return useMemo(() => rangeForAge(createdAt === undefined ? Number.POSITIVE_INFINITY : Date.now() - Date.parse(createdAt)), [createdAt]);
}

function EndpointMissing({ name }: { readonly name: string }): ReactElement {
  return (
    <PageLayout title={name}>
      <Note
        title={`There is no endpoint ${name}.`}
        end={
          <Button size="sm" renderRoot={(props: object) => <Link to="/endpoints" {...props} />}>
            Show all endpoints
          </Button>
        }
      >
        It may have been deleted, or the name is misspelled.
      </Note>
    </PageLayout>
  );
}

interface WithRange {
  readonly endpoint: EndpointBody;
  readonly range: ChosenRange;
}

/** State, objective and late policy next to the title. Reads the history from the cache only; the live tab fetches it. */
function PageFacts({ endpoint, range }: WithRange): ReactElement {
  const { data: history } = useQuery({ ...historyQuery(endpoint.name, range), enabled: false });
  const total = (pick: (variant: EndpointBody['variants'][number]) => number): number =>
    endpoint.variants.reduce((sum, variant) => sum + pick(variant), 0);
  const sums = useMemo(() => (history === undefined ? null : sumsOf(history)), [history]);
  const inTime = sums === null ? null : shownInTime(endpoint, sums, range);
  const objective = parseObjectiveText(endpoint.objective);
  const firing = useFiringAlarms(endpoint.name);
  const { kind, word } = endpointState({
    status: endpoint.status,
    objective: endpoint.objective,
    in_time_last_hour: endpoint.in_time,
    rate: history === undefined ? 0 : (now(history.columns.rate) ?? 0),
    instances_ready: total(({ ready }) => ready),
    instances_desired: total(({ wanted }) => wanted),
    has_functions: endpoint.variants.some(({ functions }) => functions !== null),
    alarms: firing.length,
  });
  return (
    <>
      <LiveStateMark kind={kind} word={word} />
      {objective !== null && isBelowObjective(inTime, endpoint.objective) ? (
        <Chip tone="warn">
          in time {percentInTime(inTime)} %, objective {objective.percentile} %
        </Chip>
      ) : null}
      <Chip tone={endpoint.objective === null ? 'plain' : 'accent'}>{formatObjective(endpoint.objective)}</Chip>
      <Chip>late: {endpoint.late === 'serve' ? 'serve' : 'reject'}</Chip>
    </>
  );
}

/** The firing alarms of an endpoint. */
function useFiringAlarms(endpoint: string): readonly AlarmBody[] {
  const { data } = useQuery(alarmsOfQuery(endpoint));
  return (data?.items ?? []).filter(({ state }) => state === 'ALARM');
}

function Facts({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  const restarts = endpoint.variants.flatMap(({ workers }) => workers).reduce((sum, worker) => sum + worker.restarts, 0);
  const models = endpoint.variants.map((variant) =>
    endpoint.variants.length === 1 ? variant.model : `${variant.model} ${percent(shareOf(variant, endpoint))} %`,
  );
  return (
    <>
      <span>{models.join(', ')}</span>
      <span>
        since {dayOf(Date.parse(endpoint.created_at))}, {plural(restarts, 'restart')}
      </span>
      {endpoint.description === null || endpoint.description === '' ? null : <span>{endpoint.description}</span>}
    </>
  );
}

const tabs = [
  ['live', 'Live'],
  ['selection', 'Selection'],
  ['variants', 'Variants'],
  ['decisions', 'Decisions'],
  ['logs', 'Logs'],
  ['data', 'Data and drift'],
  ['settings', 'Settings'],
] as const;

function Content({ endpoint, range }: WithRange): ReactElement {
  const { selection } = endpoint;
  const own = tabs.filter(([value]) => value !== 'selection' || selection !== null);
  const [tab, setTab] = useTab(own.map(([value]) => value));
  return (
    <>
      <Problems endpoint={endpoint} />
      <ObjectiveDialog endpoint={endpoint} />
      <Tabs value={tab} onChange={(value) => setTab(value ?? 'live')} keepMounted={false}>
        <div className="tabs-row">
          <Tabs.List aria-label={`Parts of ${endpoint.name}`}>
            {own.map(([value, title]) => (
              <Tabs.Tab value={value} key={value}>
                {title}
                {value === 'variants' && endpoint.variants.length > 1 ? (
                  <span className="tab-count">{endpoint.variants.length}</span>
                ) : null}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {tab === 'live' || tab === 'selection' ? (
            <span className="row end">
              <TimeRange range={range} />
              <LiveSwitch />
            </span>
          ) : null}
        </div>
        <Tabs.Panel value="live">
          <EndpointNotes endpoint={endpoint} />
          <EndpointLive endpoint={endpoint} range={range} />
        </Tabs.Panel>
        {selection === null ? null : (
          <Tabs.Panel value="selection">
            <EndpointSelection endpoint={endpoint} selection={selection} range={range} />
          </Tabs.Panel>
        )}
        <Tabs.Panel value="variants">
          <EndpointVariants endpoint={endpoint} />
        </Tabs.Panel>
        <Tabs.Panel value="decisions">
          <EndpointDecisions endpoint={endpoint} />
        </Tabs.Panel>
        <Tabs.Panel value="logs">
          <EndpointLogs endpoint={endpoint} />
        </Tabs.Panel>
        <Tabs.Panel value="data">
          <EndpointData endpoint={endpoint} />
        </Tabs.Panel>
        <Tabs.Panel value="settings">
          <EndpointNotes endpoint={endpoint} />
          <EndpointSettings endpoint={endpoint} />
        </Tabs.Panel>
      </Tabs>
    </>
  );
}

/** Open while the URL says so: the header and the settings link to it. */
function ObjectiveDialog({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement | null {
  const [{ change: dialog }, change] = useSearchValues();
  const mayDeploy = useHasPermission('deploy');
  if (dialog !== 'objective' || !mayDeploy) return null;
  return <ChangeObjective endpoint={endpoint} onClose={() => change({ change: undefined })} />;
}

function problemTitle({ name, status, rollout }: EndpointBody): string {
  if (status === 'Failed') return `${name} failed.`;
  if (status === 'Updating' && rollout?.state === 'shifting') return `${name} is being updated.`;
  if (status === 'Updating' && rollout?.state === 'paused') return `The update of ${name} is paused.`;
  return `${name} needs attention.`;
}

/** Problems, above the tabs. */
function Problems({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement | null {
  const { status, reason, name } = endpoint;
  const isWatched = status === 'Updating' && endpoint.rollout?.state === 'shifting';
  const [, setTab] = useSearchValue('tab', 'live');
  const firing = useFiringAlarms(name);
  if (reason === null && firing.length === 0) return null;
  return (
    <div className="section stack">
      {reason === null ? null : (
        <Note
          tone={status === 'Failed' ? 'bad' : isWatched ? 'accent' : 'warn'}
          title={problemTitle(endpoint)}
          end={
            <Button size="sm" onClick={() => setTab('logs')}>
              Last log lines
            </Button>
          }
        >
          {renderCode(sentence(reason))}
        </Note>
      )}
      {firing.map((alarm) => (
        <Note
          key={alarm.name}
          tone="warn"
          title={`${alarm.name} is firing.`}
          end={
            <Button size="sm" renderRoot={(props: object) => <Link to="/monitoring" {...props} />}>
              All alarms
            </Button>
          }
        >
          {renderCode(sentence(alarm.reason))}
        </Note>
      ))}
    </div>
  );
}

function Actions({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  const mayDeploy = useHasPermission('deploy');
  const mayInvoke = useHasPermission('invoke');
  return (
    <>
      {mayInvoke ? (
        <Button
          leftSection={<Icon name="play" />}
          renderRoot={(props: object) => <Link to="/endpoints/$endpoint/try" params={{ endpoint: endpoint.name }} {...props} />}
        >
          Try it
        </Button>
      ) : null}
      {mayDeploy ? (
        <>
          <Button
            leftSection={<Icon name="edit" />}
            renderRoot={(props: object) => <Link to="." search={(before: object) => ({ ...before, change: 'objective' })} {...props} />}
          >
            Change objective
          </Button>
          <More endpoint={endpoint} />
        </>
      ) : null}
    </>
  );
}

function More({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  const client = useQueryClient();
  const [isDeleting, setIsDeleting] = useState(false);
  const [isStopping, setIsStopping] = useState(false);
  const [isRollingBack, setIsRollingBack] = useState(false);
  const verb = rollBackVerb(endpoint);
  const isStopped = endpoint.status === 'Unloaded';
  const send = async (verb: 'load' | 'unload'): Promise<void> => {
    const changed = await post<EndpointBody>(path(`/endpoints/:endpoint/${verb}`, { endpoint: endpoint.name }));
    client.setQueryData(endpointQuery(endpoint.name).queryKey, changed);
  };
  return (
    <>
      <Menu>
        <Menu.Target>
          <ActionIcon aria-label="More actions">
            <Icon name="more" />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {verb === null ? null : <Menu.Item onClick={() => setIsRollingBack(true)}>{verb}</Menu.Item>}
          {isStopped ? (
            <Menu.Item onClick={() => void send('load')}>Start</Menu.Item>
          ) : (
            <Menu.Item onClick={() => setIsStopping(true)}>Stop and retain settings</Menu.Item>
          )}
          <Menu.Item color="var(--bad)" onClick={() => setIsDeleting(true)}>
            Delete endpoint
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {isRollingBack ? <RollBack endpoint={endpoint} onClose={() => setIsRollingBack(false)} /> : null}
      {isStopping ? (
        <Confirm
          title={`Stop ${endpoint.name}?`}
          consequences={[
            'New requests are rejected; requests in progress are completed.',
            'Its workers stop and cost nothing.',
            'Its settings are retained: you can start it again at any time.',
          ]}
          action="Stop endpoint"
          onConfirm={() => send('unload')}
          onClose={() => setIsStopping(false)}
        />
      ) : null}
      {isDeleting ? <Delete endpoint={endpoint} onClose={() => setIsDeleting(false)} /> : null}
    </>
  );
}

/** The consequences use the latest cached history, if there is one, to name the current rate and cost. */
function Delete({ endpoint, onClose }: { readonly endpoint: EndpointBody; readonly onClose: () => void }): ReactElement {
  const client = useQueryClient();
  const navigate = useNavigate();
  const found = client.getQueriesData<Parameters<typeof sumsOf>[0]>({ queryKey: ['history', endpoint.name] }).at(-1)?.[1];
  const sums = found === undefined ? null : sumsOf(found);
  const workers = endpoint.variants.reduce((sum, variant) => sum + variant.workers.length, 0);
  const consequences = [
    sums?.rate ? `${rate(sums.rate)} requests per second will be rejected from now on.` : 'Requests to it will be rejected from now on.',
    `${plural(workers, 'worker')} ${workers === 1 ? 'stops' : 'stop'}${sums?.usdPerHour ? `; saves ${usd(sums.usdPerHour)} per hour` : ''}.`,
    'Its decisions are deleted. Measurements are retained for 90 days, costs for 400. The model is not deleted.',
  ];
  return (
    <Confirm
      title={`Delete endpoint ${endpoint.name}?`}
      consequences={consequences}
      typed={{ label: 'Type the endpoint’s name', name: endpoint.name }}
      action="Delete endpoint"
      onConfirm={async () => {
        await remove(path('/endpoints/:endpoint', { endpoint: endpoint.name }));
        await navigate({ to: '/endpoints' });
        await client.invalidateQueries();
      }}
      onClose={onClose}
    />
  );
}
