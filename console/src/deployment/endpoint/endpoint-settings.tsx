/** The settings of an endpoint. Changing them fails no request. */
import { Button, Checkbox, NumberInput, SegmentedControl, Textarea } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactElement, useState } from 'react';
import type { EndpointBody } from '../../../../src/api/index.ts';
import { patch, path } from '../../api/client.ts';
import { endpointQuery } from '../../api/queries.ts';
import { useHasPermission } from '../../api/session.ts';
import { Card } from '../../kit/card.tsx';
import { duration, objective as formatObjective } from '../../kit/format/format.ts';
import { LoadFailure } from '../../kit/page/loaded.tsx';
import { Note } from '../../kit/page/note.tsx';
import { Pairs } from '../../kit/pairs.tsx';
import { type SettingsDraft, settingsChangesOf, settingsDraftOf } from './endpoint-changes.ts';

export function EndpointSettings({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  const mayDeploy = useHasPermission('deploy');
  if (!mayDeploy) return <Shown endpoint={endpoint} />;
  // A new generation resets the form to the stored settings.
  return <Form key={endpoint.generation} endpoint={endpoint} />;
}

function Shown({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  return (
    <Card title="Settings" padded>
      <Pairs
        pairs={[
          ['Objective', formatObjective(endpoint.objective)],
          ['Late requests', endpoint.late === 'serve' ? 'are served anyway' : 'are rejected on arrival'],
          ['Timeout', duration(endpoint.timeout_ms)],
          ['Description', endpoint.description ?? 'none'],
        ]}
      />
    </Card>
  );
}

function Form({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  const client = useQueryClient();
  const [draft, setDraft] = useState(() => settingsDraftOf(endpoint));
  const [error, setError] = useState<Error | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const changes = settingsChangesOf(endpoint, draft);
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
      footer="These settings apply at once to the running workers. A new version, instance type or variant starts new workers, which take over when they are ready."
    >
      <form
        className="fields"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <div className="row wrap">
          <span>
            Objective: <b>{formatObjective(endpoint.objective)}</b>
          </span>
          <Link to="." search={(before: object) => ({ ...before, change: 'objective' })}>
            Change it on a slider
          </Link>
        </div>
        <Fields draft={draft} onChange={(change) => setDraft({ ...draft, ...change })} />
        {endpoint.variants.some(({ decision }) => decision?.feasible === false) ? (
          <Note tone="bad" title="The objective cannot be met.">
            {endpoint.variants.find(({ decision }) => decision?.feasible === false)?.decision?.reason}
          </Note>
        ) : null}
        {error === null ? null : <LoadFailure error={error} what="The settings were not changed." />}
        <div className="row">
          <Button type="submit" variant="filled" disabled={Object.keys(changes).length === 0} loading={isBusy}>
            Change {endpoint.name}
          </Button>
          <Button onClick={() => setDraft(settingsDraftOf(endpoint))} disabled={Object.keys(changes).length === 0}>
            Undo
          </Button>
        </div>
      </form>
    </Card>
  );
}

interface FieldsProps {
  readonly draft: SettingsDraft;
  readonly onChange: (change: Partial<SettingsDraft>) => void;
}

function Fields({ draft, onChange }: FieldsProps): ReactElement {
  return (
    <>
      <div>
        <div className="mantine-InputWrapper-label" id="late-label">
          Requests that would be late
        </div>
        <SegmentedControl
          aria-labelledby="late-label"
          value={draft.late}
          onChange={(late) => onChange({ late: late })}
          data={[
            { value: 'serve', label: 'serve anyway' },
            { value: 'shed', label: 'reject on arrival' },
          ]}
        />
      </div>
      <NumberInput
        label="Timeout, in seconds"
        description="Requests that have waited longer are not run."
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
        label="Capture calls for drift detection and training"
        checked={draft.isCaptured}
        onChange={(event) => onChange({ isCaptured: event.currentTarget.checked })}
      />
      {draft.isCaptured ? (
        <NumberInput
          label="Captured share of calls, in %"
          min={0}
          max={100}
          value={draft.capturePercent}
          onChange={(value) => onChange({ capturePercent: Number(value) })}
        />
      ) : null}
    </>
  );
}
