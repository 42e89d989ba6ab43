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
  const client = useQueryClient();
  const navigate = useNavigate();
  const [mayApprove, mayRegister, mayDeploy] = [useMay('approve'), useMay('register'), useMay('deploy')];
  const isApproved = version.approval === 'Approved';
  const isPending = version.approval === 'PendingManualApproval';
  const canDeploy = mayDeploy && isApproved;
  const canDecide = mayApprove && !isPending; // one that waits has a card of its own
  if (!canDeploy && !canDecide && !mayRegister) return null;
  const decided = async (approval: Decision): Promise<void> => {
    await decide(version.name, approval, '');
    await client.invalidateQueries();
  };
  const removed = async (): Promise<void> => {
    const { group, version: number } = version;
    await remove(path('/groups/:group/versions/:version', { group, version: number }));
    await client.invalidateQueries();
  };
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
      {asked === 'approve' ? (
        <Confirm
          title={`Approve ${version.name}?`}
          consequences={['It was rejected before. From now on it may be deployed.']}
          action={`Approve ${version.name}`}
          onConfirm={() => decided('Approved')}
          onClose={() => setAsked(null)}
        />
      ) : null}
      {asked === 'reject' ? (
        <Confirm
          title={`Reject ${version.name}?`}
          consequences={['It was approved before. From now on nobody can deploy it.', 'Endpoints that serve it go on serving it.']}
          action={`Reject ${version.name}`}
          onConfirm={() => decided('Rejected')}
          onClose={() => setAsked(null)}
        />
      ) : null}
      {asked === 'delete' ? (
        <Confirm
          title={`Delete ${version.name}?`}
          consequences={[
            `Its file of ${bytes(version.artifact.bytes)} goes, unless another version has the same bytes.`,
            `The number ${version.version} is never given again. While an endpoint uses it, it cannot be deleted.`,
          ]}
          typed={{ label: "Type the version's name", name: version.name }}
          action="Delete version"
          onConfirm={removed}
          onClose={() => setAsked(null)}
        />
      ) : null}
    </>
  );
}
