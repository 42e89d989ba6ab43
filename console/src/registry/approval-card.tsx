/** A version pending approval: checks, breaking changes, and approve or reject with a comment for the audit log. */
import { Button, Loader, Modal, Textarea } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useEffect, useState } from 'react';
import type { EndpointBody, VersionBody } from '../../../src/api/index.ts';
import { type ApprovalDecision, cancelOpening, setApproval } from '../api/models.ts';
import { sessionQuery } from '../api/session.ts';
import { Card } from '../kit/card.tsx';
import { Ago } from '../kit/format/ago.tsx';
import { bytes } from '../kit/format/format.ts';
import { Icon } from '../kit/icon.tsx';
import { LoadFailure } from '../kit/page/loaded.tsx';
import { StateShape } from '../kit/state-mark.tsx';
import { breakingSentences } from './compare/compare-signatures.ts';
import { NoteItems } from './note-items.tsx';
import { endpointsOf } from './serving-endpoints.ts';
import { isUnopened, PythonChecks, ReviewCheckbox, requiresReview } from './upload/python-checks.tsx';
import { environmentText, stageSentence } from './upload/python-text.ts';

interface ApprovalProps {
  readonly version: VersionBody;
  /** The latest approved version before this one. */
  readonly previous: VersionBody | undefined;
  readonly endpoints: readonly EndpointBody[];
}

export function ApprovalCard({ version, previous, endpoints }: ApprovalProps): ReactElement {
  const client = useQueryClient();
  const [note, setNote] = useState('');
  const [isRejecting, setIsRejecting] = useState(false);
  const [isAccepted, setIsAccepted] = useState(false);
  const isOpening = version.python?.state === 'opening';
  useOpening(version.name, isOpening);
  const decision = useMutation({
    mutationFn: (approval: ApprovalDecision) => setApproval(version.name, approval, note, approval === 'Approved' && isAccepted),
    onSuccess: () => client.invalidateQueries(),
  });
  return (
    <Card
      title={`${version.name} is ${isOpening ? 'being opened' : 'pending approval'}`}
      span={4}
      padded
      end={<Ago at={version.created_at} />}
    >
      {version.python !== null && isUnopened(version) ? (
        <PythonChecks version={version} python={version.python} />
      ) : (
        <Checks version={version} previous={previous} endpoints={endpoints} />
      )}
      {requiresReview(version) && !isOpening ? <ReviewCheckbox isAccepted={isAccepted} onChange={setIsAccepted} /> : null}
      {isOpening ? (
        <Opening version={version} />
      ) : (
        <>
          <Textarea
            mt="md"
            label="Comment"
            placeholder="Reason, for the audit log"
            maxLength={1024}
            rows={2}
            value={note}
            onChange={(event) => setNote(event.currentTarget.value)}
          />
          {decision.error === null || isRejecting ? null : <LoadFailure error={decision.error} what="The decision was not recorded." />}
          <div className="row wrap approval-answers">
            <Button
              variant="filled"
              leftSection={<Icon name="check" />}
              loading={decision.isPending && !isRejecting}
              disabled={requiresReview(version) && !isAccepted}
              onClick={() => decision.mutate('Approved')}
            >
              {version.python?.state === 'failed' ? 'Try again' : 'Approve'}
            </Button>
            <Button variant="danger" onClick={() => setIsRejecting(true)}>
              Reject…
            </Button>
            <Caller />
          </div>
        </>
      )}
      {isRejecting ? (
        <RejectDialog
          name={version.name}
          note={note}
          onNote={setNote}
          error={decision.error}
          isPending={decision.isPending}
          onReject={() => decision.mutate('Rejected')}
          onClose={() => setIsRejecting(false)}
        />
      ) : null}
    </Card>
  );
}

interface RejectDialogProps {
  readonly name: string;
  readonly note: string;
  readonly onNote: (note: string) => void;
  readonly error: Error | null;
  readonly isPending: boolean;
  readonly onReject: () => void;
  readonly onClose: () => void;
}

function RejectDialog({ name, note, onNote, error, isPending, onReject, onClose }: RejectDialogProps): ReactElement {
  return (
    <Modal opened onClose={onClose} title={`Reject ${name}?`}>
      <form
        className="confirm"
        onSubmit={(event) => {
          event.preventDefault();
          if (note.trim() !== '') onReject();
        }}
      >
        <p className="mut">A rejected version cannot be deployed. It stays in the list and can be approved later.</p>
        <Textarea
          data-autofocus
          label="Reason for rejection"
          placeholder="Shown to the author of the version"
          maxLength={1024}
          rows={3}
          value={note}
          onChange={(event) => onNote(event.currentTarget.value)}
        />
        {error === null ? null : <LoadFailure error={error} what="The version was not rejected." />}
        <div className="row">
          <Button type="submit" variant="danger" disabled={note.trim() === ''} loading={isPending}>
            Reject {name}
          </Button>
          <Button onClick={onClose}>Cancel</Button>
        </div>
      </form>
    </Modal>
  );
}

/** Whose name the decision bears. */
function Caller(): ReactElement {
  const { data: session } = useQuery(sessionQuery());
  return <span className="end sm dim">{session === undefined ? '' : `as ${userText(session.key_id)}, ${session.role}`}</span>;
}

function userText(keyId: string): string {
  return keyId === 'anonymous' ? 'local user' : keyId;
}

const pollMs = 1000;

/** Reads the version again until it is open. */
function useOpening(name: string, isOpening: boolean): void {
  const client = useQueryClient();
  useEffect(() => {
    if (!isOpening) return undefined;
    const timer = setInterval(() => void client.invalidateQueries(), pollMs);
    return () => clearInterval(timer);
  }, [client, name, isOpening]);
}

function Opening({ version }: Pick<ApprovalProps, 'version'>): ReactElement {
  const { name, python } = version;
  const client = useQueryClient();
  const cancel = useMutation({ mutationFn: () => cancelOpening(name), onSuccess: () => client.invalidateQueries() });
  return (
    <div className="opening">
      <div className="row" role="status">
        <Loader size={16} />
        <span>{stageSentence(python?.stage ?? null, environmentText(version))}</span>
      </div>
      <div className="row wrap">
        <Button size="sm" loading={cancel.isPending} onClick={() => cancel.mutate()}>
          Cancel
        </Button>
        <span className="end sm dim">
          {python?.requested_at === null || python?.requested_at === undefined ? null : <Ago at={python.requested_at} />}, by{' '}
          {userText(python?.requested_by ?? '')}
        </span>
      </div>
      {cancel.error === null ? null : <LoadFailure error={cancel.error} what="The opening was not cancelled." />}
    </div>
  );
}

function Checks({ version, previous, endpoints }: ApprovalProps): ReactElement {
  const breaks = previous === undefined ? [] : breakingSentences(previous, version);
  const serving = endpointsOf(endpoints, version.group);
  const opset = Object.values(version.opsets).join(', ');
  return (
    <ul className="checks">
      <li>
        <StateShape kind="ok" />
        <span>
          Loads in a worker, {bytes(version.artifact.bytes)}
          {opset === '' ? '' : `, opset ${opset}`}
        </span>
      </li>
      <li>
        <StateShape kind={version.batchable ? 'ok' : 'zero'} />
        <span>
          {version.batchable ? 'Can be batched' : 'Cannot be batched'}: {version.batchable_reason}
        </span>
      </li>
      <NoteItems notes={version.notes} />
      {previous !== undefined && breaks.length === 0 ? (
        <li>
          <StateShape kind="ok" />
          <span>Compatible with clients of {previous.name}</span>
        </li>
      ) : null}
      {breaks.map((text) => (
        <li key={text}>
          <StateShape kind="warn" />
          <span>
            {text}
            {serving.length === 0
              ? ` Clients of ${previous?.name ?? ''} must be updated.`
              : ` Clients of ${serving.map(({ name }) => name).join(', ')} must be updated.`}
          </span>
        </li>
      ))}
    </ul>
  );
}
