/** What else can be done with a version: another decision, or its end. */
import { ActionIcon, Menu } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type ReactElement, useState } from 'react';
import type { VersionBody } from '../../../src/api/index.ts';
import { path, remove } from '../api/client.ts';
import { type Decision, decide } from '../api/models.ts';
import { useMay } from '../api/session.ts';
import { Confirm } from '../kit/confirm.tsx';
import { bytes } from '../kit/format.ts';
import { Icon } from '../kit/icon.tsx';

type Asked = 'approve' | 'reject' | 'delete';

export function VersionMenu({ version }: { readonly version: VersionBody }): ReactElement | null {
  const [asked, setAsked] = useState<Asked | null>(null);
  const navigate = useNavigate();
  const [mayApprove, mayRegister, mayDeploy] = [useMay('approve'), useMay('register'), useMay('deploy')];
  const isApproved = version.approval === 'Approved';
  const isPending = version.approval === 'PendingManualApproval';
  const canDeploy = mayDeploy && isApproved;
  const canDecide = mayApprove && !isPending; // one that waits has a card of its own
  if (!canDeploy && !canDecide && !mayRegister) return null;
  return (
    <>
      <Menu>
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" size={28} aria-label={`More about ${version.name}`}>
            <Icon name="more" />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {canDeploy ? (
            <Menu.Item onClick={() => void navigate({ to: '/deploy', search: { model: version.name } })}>Deploy {version.name}</Menu.Item>
          ) : null}
          {canDecide ? (
            <Menu.Item onClick={() => setAsked(isApproved ? 'reject' : 'approve')}>{isApproved ? 'Reject…' : 'Approve…'}</Menu.Item>
          ) : null}
          {mayRegister ? (
            <Menu.Item c="var(--bad)" onClick={() => setAsked('delete')}>
              Delete…
            </Menu.Item>
          ) : null}
        </Menu.Dropdown>
      </Menu>
      {asked === null ? null : <Asking version={version} asked={asked} onClose={() => setAsked(null)} />}
    </>
  );
}

interface AskingProps {
  readonly version: VersionBody;
  readonly asked: Asked;
  readonly onClose: () => void;
}

/** What follows from it, before it is done. */
function Asking({ version, asked, onClose }: AskingProps): ReactElement {
  const client = useQueryClient();
  const { name, group, version: number, artifact } = version;
  const decided = async (approval: Decision): Promise<void> => {
    await decide(name, approval, '');
    await client.invalidateQueries();
  };
  const removed = async (): Promise<void> => {
    await remove(path('/groups/:group/versions/:version', { group, version: number }));
    await client.invalidateQueries();
  };
  if (asked === 'approve') {
    return (
      <Confirm
        title={`Approve ${name}?`}
        consequences={['It was rejected before. From now on it may be deployed.']}
        action={`Approve ${name}`}
        onConfirm={() => decided('Approved')}
        onClose={onClose}
      />
    );
  }
  if (asked === 'reject') {
    return (
      <Confirm
        title={`Reject ${name}?`}
        consequences={['It was approved before. From now on nobody can deploy it.', 'Endpoints that serve it go on serving it.']}
        action={`Reject ${name}`}
        onConfirm={() => decided('Rejected')}
        onClose={onClose}
      />
    );
  }
  return (
    <Confirm
      title={`Delete ${name}?`}
      consequences={[
        `Its file of ${bytes(artifact.bytes)} goes, unless another version has the same bytes.`,
        `The number ${number} is never given again. While an endpoint uses it, it cannot be deleted.`,
      ]}
      typed={{ label: "Type the version's name", name }}
      action="Delete version"
      onConfirm={removed}
      onClose={onClose}
    />
  );
}
