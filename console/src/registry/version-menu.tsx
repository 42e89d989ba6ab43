/** The menu of a version: deploy, change the approval, delete. */
import { ActionIcon, Menu } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type ReactElement, useState } from 'react';
import type { VersionBody } from '../../../src/api/index.ts';
import { path, remove } from '../api/client.ts';
import { type ApprovalDecision, setApproval } from '../api/models.ts';
import { useHasPermission } from '../api/session.ts';
import { Confirm } from '../kit/confirm.tsx';
import { bytes } from '../kit/format/format.ts';
import { Icon } from '../kit/icon.tsx';

type MenuAction = 'approve' | 'reject' | 'delete';

export function VersionMenu({ version }: { readonly version: VersionBody }): ReactElement | null {
  const [requestedAction, setRequestedAction] = useState<MenuAction | null>(null);
  const navigate = useNavigate();
  const [mayApprove, mayRegister, mayDeploy] = [useHasPermission('approve'), useHasPermission('register'), useHasPermission('deploy')];
  const isApproved = version.approval === 'Approved';
  const isPending = version.approval === 'PendingManualApproval';
  const canDeploy = mayDeploy && isApproved;
  const canDecide = mayApprove && !isPending; // pending versions have the approval card
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
            <Menu.Item onClick={() => setRequestedAction(isApproved ? 'reject' : 'approve')}>
              {isApproved ? 'Reject…' : 'Approve…'}
            </Menu.Item>
          ) : null}
          {mayRegister ? (
            <Menu.Item c="var(--bad)" onClick={() => setRequestedAction('delete')}>
              Delete…
            </Menu.Item>
          ) : null}
        </Menu.Dropdown>
      </Menu>
      {requestedAction === null ? null : (
        <ConfirmAction version={version} action={requestedAction} onClose={() => setRequestedAction(null)} />
      )}
    </>
  );
}

interface ConfirmActionProps {
  readonly version: VersionBody;
  readonly action: MenuAction;
  readonly onClose: () => void;
}

/** Confirms an action and lists its consequences. */
function ConfirmAction({ version, action, onClose }: ConfirmActionProps): ReactElement {
  const client = useQueryClient();
  const { name, group, version: number, artifact } = version;
  const decided = async (approval: ApprovalDecision): Promise<void> => {
    await setApproval(name, approval, '');
    await client.invalidateQueries();
  };
  const removed = async (): Promise<void> => {
    await remove(path('/groups/:group/versions/:version', { group, version: number }));
    await client.invalidateQueries();
  };
  if (action === 'approve') {
    return (
      <Confirm
        title={`Approve ${name}?`}
        consequences={['It was rejected. Once approved, it can be deployed.']}
        action={`Approve ${name}`}
        onConfirm={() => decided('Approved')}
        onClose={onClose}
      />
    );
  }
  if (action === 'reject') {
    return (
      <Confirm
        title={`Reject ${name}?`}
        consequences={['It was approved. Once rejected, it cannot be deployed.', 'Endpoints that already serve it are not affected.']}
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
        `Its file of ${bytes(artifact.bytes)} is deleted, unless another version has the same content.`,
        `The number ${number} is not reused. A version that an endpoint uses cannot be deleted.`,
      ]}
      typed={{ label: "Type the version's name", name }}
      action="Delete version"
      onConfirm={removed}
      onClose={onClose}
    />
  );
}
