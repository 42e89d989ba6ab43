/** A version that waits: what was checked, what it would break, and the two answers, with the reason for the audit trail. */
import { Button, Modal, Textarea } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useState } from 'react';
import type { EndpointBody, VersionBody } from '../../../src/api/index.ts';
import { type Decision, decide } from '../api/models.ts';
import { sessionQuery } from '../api/session.ts';
import { Ago } from '../kit/ago.tsx';
import { Card } from '../kit/card.tsx';
import { bytes, sentence } from '../kit/format.ts';
import { Icon } from '../kit/icon.tsx';
import { Failure } from '../kit/loaded.tsx';
import { StateShape } from '../kit/state-mark.tsx';
import { breakingSentences } from './compare-signatures.ts';
import { endpointsOf } from './serving-where.ts';

interface ApprovalProps {
  readonly version: VersionBody;
  /** The latest approved one, which it would follow. */
  readonly former: VersionBody | undefined;
  readonly endpoints: readonly EndpointBody[];
}

export function ApprovalCard({ version, former, endpoints }: ApprovalProps): ReactElement {
  const client = useQueryClient();
  const { data: session } = useQuery(sessionQuery());
  const [note, setNote] = useState('');
  const [isRejecting, setIsRejecting] = useState(false);
  const decision = useMutation({
    mutationFn: (approval: Decision) => decide(version.name, approval, note),
    onSuccess: () => client.invalidateQueries(),
  });
  return (
    <Card title={`${version.name} waits for you`} span={4} padded end={<Ago at={version.created_at} />}>
      <Checks version={version} former={former} endpoints={endpoints} />
      <Textarea
        mt="md"
        label="Comment"
        placeholder="Why, for the audit trail"
        maxLength={1024}
        rows={2}
        value={note}
        onChange={(event) => setNote(event.currentTarget.value)}
      />
      {decision.error === null || isRejecting ? null : <Failure error={decision.error} what="Nothing was decided." />}
      <div className="row wrap approval-answers">
        <Button
          variant="filled"
          leftSection={<Icon name="check" />}
          loading={decision.isPending && !isRejecting}
          onClick={() => decision.mutate('Approved')}
        >
          Approve
        </Button>
        <Button variant="danger" onClick={() => setIsRejecting(true)}>
          Reject…
        </Button>
        <span className="end sm dim">
          {session === undefined ? '' : `as ${session.key_id === 'anonymous' ? 'this machine' : session.key_id}, ${session.role}`}
        </span>
      </div>
      {isRejecting ? (
        <Modal opened onClose={() => setIsRejecting(false)} title={`Reject ${version.name}?`}>
          <form
            className="confirm"
            onSubmit={(event) => {
              event.preventDefault();
              if (note.trim() !== '') decision.mutate('Rejected');
            }}
          >
            <p className="mut">It cannot be deployed then. It stays in the list, and may be approved later.</p>
            <Textarea
              data-autofocus
              label="Why it is rejected"
              placeholder="Whoever made it reads this"
              maxLength={1024}
              rows={3}
              value={note}
              onChange={(event) => setNote(event.currentTarget.value)}
            />
            {decision.error === null ? null : <Failure error={decision.error} what="It was not rejected." />}
            <div className="row">
              <Button type="submit" variant="danger" disabled={note.trim() === ''} loading={decision.isPending}>
                Reject {version.name}
              </Button>
              <Button onClick={() => setIsRejecting(false)}>Cancel</Button>
            </div>
          </form>
        </Modal>
      ) : null}
    </Card>
  );
}

function Checks({ version, former, endpoints }: ApprovalProps): ReactElement {
  const breaks = former === undefined ? [] : breakingSentences(former, version);
  const serving = endpointsOf(endpoints, version.group);
  const opset = Object.values(version.opsets).join(', ');
  return (
    <ul className="checks">
      <li>
        <StateShape kind="ok" />
        <span>
          Opens in a worker, {bytes(version.artifact.bytes)}
          {opset === '' ? '' : `, opset ${opset}`}
        </span>
      </li>
      <li>
        <StateShape kind={version.batchable ? 'ok' : 'zero'} />
        <span>
          {version.batchable ? 'May be batched' : 'May not be batched'}: {version.batchable_reason}
        </span>
      </li>
      {version.notes.map((note) => (
        <li key={note}>
          <StateShape kind="zero" />
          <span>{sentence(note)}</span>
        </li>
      ))}
      {former !== undefined && breaks.length === 0 ? (
        <li>
          <StateShape kind="ok" />
          <span>Clients of {former.name} need no change</span>
        </li>
      ) : null}
      {breaks.map((text) => (
        <li key={text}>
          <StateShape kind="warn" />
          <span>
            {text}
            {serving.length === 0
              ? ` Clients of ${former?.name ?? ''} have to follow.`
              : ` Clients of ${serving.map(({ name }) => name).join(', ')} have to follow.`}
          </span>
        </li>
      ))}
    </ul>
  );
}
