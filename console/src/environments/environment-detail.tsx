/** One environment: its packages, its users, and the log of its builds. */
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import type { EnvironmentBody, EnvironmentDetailBody } from '../../../src/api/index.ts';
import { ApiError, get, path } from '../api/client.ts';
import { Card } from '../kit/card.tsx';
import { CodeBlock, Copy } from '../kit/code.tsx';
import { Ago } from '../kit/format/ago.tsx';
import { bytes, plural, sentence } from '../kit/format/format.ts';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { Note } from '../kit/page/note.tsx';
import { Pairs } from '../kit/pairs.tsx';
import { EnvironmentMark } from './environment-mark.tsx';

const logLines = 300;
const logEveryMs = 1000;

export interface DetailProps {
  readonly environment: EnvironmentBody;
  /** Null if the caller may not delete it. */
  readonly onDelete: (() => void) | null;
}

export function EnvironmentDetail({ environment, onDelete }: DetailProps): ReactElement {
  const name = environment.name ?? '';
  const query = useQuery({
    queryKey: ['environments', name, environment.state, environment.created_at],
    queryFn: ({ signal }) => get<EnvironmentDetailBody>(path('/environments/:environment', { environment: name }), {}, signal),
  });
  return (
    <>
      <Card
        title={name}
        className="section"
        padded
        aside={<EnvironmentMark state={environment.state} />}
        end={onDelete === null ? undefined : <Button onClick={onDelete}>Delete</Button>}
      >
        <LoadedContent query={query} what="The environment could not be loaded." heights={[160]}>
          {(detail) => <Facts detail={detail} />}
        </LoadedContent>
      </Card>
      {query.data?.log_group ? (
        <BuildLog key={query.data.created_at} group={query.data.log_group} isRunning={environment.state === 'building'} />
      ) : null}
    </>
  );
}

function Facts({ detail }: { readonly detail: EnvironmentDetailBody }): ReactElement {
  const { installed, requirements, users } = detail;
  const interpreter = [detail.python_version, detail.python].filter((part) => part !== null).join(', ');
  return (
    <div className="stack">
      {detail.reason === null ? null : (
        <Note tone="bad" title={detail.kind === 'built' ? 'It could not be built.' : 'It does not start.'}>
          {sentence(detail.reason)}
        </Note>
      )}
      <Pairs
        pairs={[
          ['Python', <span className="mono">{interpreter || '–'}</span>],
          ...(detail.kind === 'operator' ? [['Kept by', 'the operator: config.json'] as const] : []),
          ['Used by', users.length === 0 ? 'no model version' : users.join(', ')],
          ...(detail.kind === 'operator' ? [] : [['Requested', requirements.join(', ') || 'no packages'] as const]),
          ...(detail.bytes === null ? [] : [['Size', bytes(detail.bytes)] as const]),
          ...(detail.lock === null ? [] : [['Lock', <span className="mono environment-lock">{detail.lock}</span>] as const]),
          ...(detail.built_at === null ? [] : [['Built', <Ago at={detail.built_at} />] as const]),
          ...(detail.created_at === null ? [] : [['Created', <CreatedBy detail={detail} />] as const]),
        ]}
      />
      {installed.length === 0 ? null : (
        <details className="environment-packages">
          <summary>{plural(installed.length, 'package')}</summary>
          <ul>
            {installed.map(({ name, version }) => (
              <li key={name}>
                {name} <span className="mut">{version}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
      {detail.lines.length === 0 ? null : <CodeBlock label="The last lines of the build" text={detail.lines.join('\n')} />}
    </div>
  );
}

function CreatedBy({ detail: { created_at: at, created_by: who } }: { readonly detail: EnvironmentDetailBody }): ReactElement {
  return (
    <>
      {at === null ? null : <Ago at={at} />} by <span className="mono">{who}</span>
    </>
  );
}

interface LogProps {
  readonly group: string;
  readonly isRunning: boolean;
}

interface LogBody {
  readonly items: readonly { readonly line: string }[];
}

/** A log group exists only after its first line was written. */
async function linesOf(group: string, signal: AbortSignal): Promise<readonly string[]> {
  try {
    const { items } = await get<LogBody>('/logs', { log: group, limit: logLines }, signal);
    return items.map(({ line }) => {
      const { message } = JSON.parse(line) as { readonly message?: unknown };
      return typeof message === 'string' ? message : line;
    });
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return [];
    throw error;
  }
}

function BuildLog({ group, isRunning }: LogProps): ReactElement {
  const query = useQuery({
    queryKey: ['environments', 'log', group, isRunning],
    queryFn: ({ signal }) => linesOf(group, signal),
    refetchInterval: isRunning ? logEveryMs : false,
  });
  return (
    <Card
      title="Build log"
      className="section"
      padded
      end={<Copy text={(query.data ?? []).join('\n')} />}
      footer={
        <>
          Log group <code>{group}</code>
        </>
      }
    >
      <LoadedContent query={query} what="The log could not be loaded." heights={[160]}>
        {(lines) =>
          lines.length === 0 ? (
            <p className="mut">Nothing yet: it waits for other builds.</p>
          ) : (
            <CodeBlock label="Lines of the log" text={lines.join('\n')} />
          )
        }
      </LoadedContent>
    </Card>
  );
}
