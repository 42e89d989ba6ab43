/** The versions of a group. Two ticked versions are compared below the table. */
import { Checkbox } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactElement, ReactNode } from 'react';
import type { DeploymentPlanBody, EndpointBody, VersionBody } from '../../../src/api/index.ts';
import { rolledBackBy } from '../api/rolled-back-versions.ts';
import { Card } from '../kit/card.tsx';
import { Chip } from '../kit/chip.tsx';
import { useNow } from '../kit/format/ago.tsx';
import { fixed, objective as objectiveText } from '../kit/format/format.ts';
import { usdFine } from '../kit/format/money.ts';
import { fullTime, shortTime, useUtc } from '../kit/format/time.ts';
import { StateMark } from '../kit/state-mark.tsx';
import { approvalMark, qualityName, qualityOf } from './format-version.tsx';
import { servedBy } from './serving-endpoints.ts';
import { VersionMenu } from './version-menu.tsx';

interface VersionsTableProps {
  readonly versions: readonly VersionBody[];
  readonly endpoints: readonly EndpointBody[];
  readonly plans: ReadonlyMap<string, DeploymentPlanBody>;
  readonly objective: string;
  /** Numbers of the compared versions, at most two. */
  readonly ticked: readonly number[];
  readonly shown: number | null;
  readonly onTick: (version: number, isTicked: boolean) => void;
  /** The button that loads earlier versions. */
  readonly earlier: ReactNode;
}

export function VersionsTable({ versions, endpoints, plans, objective, ticked, shown, onTick, earlier }: VersionsTableProps): ReactElement {
  const hasCosts = plans.size > 0;
  const end = versions.length < 2 ? undefined : ticked.length === 2 ? '2 selected, compared below' : 'select two to compare';
  return (
    <Card title="Versions" span={8} end={end} footer={earlier}>
      <div className="tw">
        <table className="versions">
          <caption className="unseen">Versions, latest first</caption>
          <thead>
            <tr>
              <td />
              <th scope="col">Version</th>
              <th scope="col" className="wide">
                Approval
              </th>
              <th scope="col" className="n">
                {qualityName(versions)}
              </th>
              {hasCosts ? (
                <th scope="col" className="n wide">
                  Per million
                  <span className="two">at {objectiveText(objective)}</span>
                </th>
              ) : null}
              <th scope="col" className="wide">
                Serving
              </th>
              <th scope="col" className="wide">
                Registered
              </th>
              <td />
            </tr>
          </thead>
          <tbody>
            {versions.map((version) => (
              <Row
                key={version.version}
                version={version}
                endpoints={endpoints}
                plan={plans.get(version.name)}
                hasCosts={hasCosts}
                isTicked={ticked.includes(version.version)}
                isShown={shown === version.version}
                onTick={onTick}
              />
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

interface RowProps {
  readonly version: VersionBody;
  readonly endpoints: readonly EndpointBody[];
  readonly plan: DeploymentPlanBody | undefined;
  readonly hasCosts: boolean;
  readonly isTicked: boolean;
  readonly isShown: boolean;
  readonly onTick: (version: number, isTicked: boolean) => void;
}

function Row({ version, endpoints, plan, hasCosts, isTicked, isShown, onTick }: RowProps): ReactElement {
  useUtc();
  const now = useNow();
  const quality = qualityOf(version);
  const at = Date.parse(version.created_at);
  return (
    <tr className={`go ${isTicked ? 'sel' : ''}`}>
      <td>
        <Checkbox
          size="xs"
          aria-label={`Compare ${version.name}`}
          checked={isTicked}
          onChange={(event) => onTick(version.version, event.currentTarget.checked)}
        />
      </td>
      <th scope="row">
        <Link
          className="name"
          to="."
          search={(before: Record<string, string>) => ({ ...before, version: String(version.version) })}
          resetScroll={false}
          aria-current={isShown ? 'true' : undefined}
        >
          {version.name}
        </Link>
        <span className="two">{version.description === '' ? version.source_name : version.description}</span>
        <span className="m-only">{approvalMark(version)}</span>
        <RolledBackByList endpoints={endpoints} version={version.name} />
      </th>
      <td className="wide">{approvalMark(version)}</td>
      <td className="n">{quality === undefined ? <span className="dim">–</span> : <b>{fixed(quality, 3)}</b>}</td>
      {hasCosts ? <td className="n wide">{costText(plan)}</td> : null}
      <td className="wide">
        <Serving endpoints={endpoints} version={version.name} />
      </td>
      <td className="wide mut said registered">
        <time dateTime={version.created_at} title={fullTime(at)}>
          {shortTime(at, now)}
        </time>
        <span className="two">by {version.created_by === 'anonymous' ? 'a local user' : version.created_by}</span>
      </td>
      <td className="more">
        <VersionMenu version={version} />
      </td>
    </tr>
  );
}

/** The tooltip and the version card show the reason. */
function RolledBackByList({
  endpoints,
  version,
}: {
  readonly endpoints: readonly EndpointBody[];
  readonly version: string;
}): ReactElement | null {
  const back = rolledBackBy(endpoints, version);
  if (back.length === 0) return null;
  return (
    <span className="two" title={back.map(({ reason }) => reason).join('; ')}>
      <StateMark kind="warn">rolled back by {back.map(({ endpoint }) => endpoint).join(' and ')}</StateMark>
    </span>
  );
}

function Serving({ endpoints, version }: { readonly endpoints: readonly EndpointBody[]; readonly version: string }): ReactElement {
  const served = servedBy(endpoints, version);
  if (served.length === 0) return <span className="dim">–</span>;
  return (
    <>
      {served.slice(0, 2).map(({ endpoint, percent }) => (
        <Link key={endpoint} to="/endpoints/$endpoint" params={{ endpoint }}>
          <Chip tone="accent">
            {endpoint} {percent} %
          </Chip>
        </Link>
      ))}
      {served.length > 2 ? <span className="dim"> and {served.length - 2} more</span> : null}
    </>
  );
}

/** Cost per million requests, with significant digits for small amounts. */
export function costText(plan: DeploymentPlanBody | undefined): string {
  const value = plan?.chosen?.usd_per_million;
  if (value === undefined) return '–';
  return usdFine(value);
}
