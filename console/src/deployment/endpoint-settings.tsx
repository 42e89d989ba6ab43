/** What an endpoint promises and how it behaves: changed without one failed request. */
import { Button, Checkbox, NumberInput, SegmentedControl, Textarea, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useState } from 'react';
import type { EndpointBody } from '../../../src/api/index.ts';
import { patch, path } from '../api/client.ts';
import { endpointQuery } from '../api/queries.ts';
import { useMay } from '../api/session.ts';
import { Card } from '../kit/card.tsx';
import { duration, objective as objectiveWords } from '../kit/format.ts';
import { Failure } from '../kit/loaded.tsx';
import { Note } from '../kit/note.tsx';
import { Pairs } from '../kit/pairs.tsx';

interface Draft {
  readonly objective: string;
  readonly late: 'serve' | 'shed';
  readonly timeoutS: number;
  readonly description: string;
  readonly isCaptured: boolean;
  readonly capturePercent: number;
}

function draftOf(endpoint: EndpointBody): Draft {
  return {
    objective: endpoint.objective ?? '',
    late: endpoint.late,
    timeoutS: endpoint.timeout_ms / 1000,
    description: endpoint.description ?? '',
    isCaptured: endpoint.capture !== null,
    capturePercent: endpoint.capture?.percent ?? 100,
  };
}

/** Only what differs: the rest is not touched, also where somebody else has changed it meanwhile. */
export function changesOf(endpoint: EndpointBody, draft: Draft): Record<string, unknown> {
  const before = draftOf(endpoint);
  const changes: Record<string, unknown> = {};
  if (draft.objective.trim() !== before.objective) changes['objective'] = draft.objective.trim() === '' ? null : draft.objective.trim();
  if (draft.late !== before.late) changes['late'] = draft.late;
  if (draft.timeoutS !== before.timeoutS) changes['timeout_ms'] = draft.timeoutS * 1000;
  if (draft.description !== before.description) changes['description'] = draft.description;
  if (draft.isCaptured !== before.isCaptured || (draft.isCaptured && draft.capturePercent !== before.capturePercent)) {
    changes['capture'] = draft.isCaptured ? { ...endpoint.capture, percent: draft.capturePercent } : null;
  }
  return changes;
}

export function EndpointSettings({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  const mayDeploy = useMay('deploy');
  if (!mayDeploy) return <Shown endpoint={endpoint} />;
  return <Form key={endpoint.generation} endpoint={endpoint} />;
}

function Shown({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  return (
    <Card title="Settings" padded>
      <Pairs
        pairs={[
          ['Objective', objectiveWords(endpoint.objective)],
          ['Late requests', endpoint.late === 'serve' ? 'are served all the same' : 'are refused at arrival'],
          ['Timeout', duration(endpoint.timeout_ms)],
          ['Description', endpoint.description ?? 'none'],
        ]}
      />
    </Card>
  );
}

function Form({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  const client = useQueryClient();
  const [draft, setDraft] = useState(() => draftOf(endpoint));
  const [error, setError] = useState<Error | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const changes = changesOf(endpoint, draft);
  const save = async (): Promise<void> => {
    setIsBusy(true);
    setError(null);
    try {
      const changed = await patch<EndpointBody>(path('/endpoints/:endpoint', { endpoint: endpoint.name }), changes);
      client.setQueryData(endpointQuery(endpoint.name).queryKey, changed);
    } catch (thrown) {
      setError(thrown as Error);
    }
    setIsBusy(false);
  };
  return (
    <Card
      title="Settings"
      padded
      footer="These are in force at once, with the workers that run. Another version, instance type or variant starts new workers beside the old, and takes over when they have answered."
    >
      <form
        className="fields"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <Fields draft={draft} onChange={(change) => setDraft({ ...draft, ...change })} />
        {endpoint.variants.some(({ decision }) => decision?.feasible === false) ? (
          <Note tone="bad" title="The objective cannot be kept.">
            {endpoint.variants.find(({ decision }) => decision?.feasible === false)?.decision?.reason}
          </Note>
        ) : null}
        {error === null ? null : <Failure error={error} what="Everything stays as it was." />}
        <div className="row">
          <Button type="submit" variant="filled" disabled={Object.keys(changes).length === 0} loading={isBusy}>
            Change {endpoint.name}
          </Button>
          <Button onClick={() => setDraft(draftOf(endpoint))} disabled={Object.keys(changes).length === 0}>
            Undo
          </Button>
        </div>
      </form>
    </Card>
  );
}

interface FieldsProps {
  readonly draft: Draft;
  readonly onChange: (change: Partial<Draft>) => void;
}

function Fields({ draft, onChange }: FieldsProps): ReactElement {
  return (
    <>
      <TextInput
        label="Objective"
        description="Such as p95<=50ms: so many of a hundred requests within so long. Empty for none."
        placeholder="p95<=50ms"
        value={draft.objective}
        onChange={(event) => onChange({ objective: event.currentTarget.value })}
      />
      <div>
        <div className="mantine-InputWrapper-label" id="late-label">
          Requests that nobody can finish by then
        </div>
        <SegmentedControl
          aria-labelledby="late-label"
          value={draft.late}
          onChange={(late) => onChange({ late: late })}
          data={[
            { value: 'serve', label: 'serve all the same' },
            { value: 'shed', label: 'refuse at arrival' },
          ]}
        />
      </div>
      <NumberInput
        label="Timeout, in seconds"
        description="After it a request is never run."
        min={0.001}
        value={draft.timeoutS}
        onChange={(value) => onChange({ timeoutS: Number(value) })}
      />
      <Textarea
        label="Description"
        autosize
        minRows={2}
        value={draft.description}
        onChange={(event) => onChange({ description: event.currentTarget.value })}
      />
      <Checkbox
        label="Keep calls, to look for drift and to learn from"
        checked={draft.isCaptured}
        onChange={(event) => onChange({ isCaptured: event.currentTarget.checked })}
      />
      {draft.isCaptured ? (
        <NumberInput
          label="Of a hundred calls, so many"
          min={0}
          max={100}
          value={draft.capturePercent}
          onChange={(value) => onChange({ capturePercent: Number(value) })}
        />
      ) : null}
    </>
  );
}
