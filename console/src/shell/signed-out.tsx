/** The sign-in page: by the one-time link that the server printed, or by a key. */
import { Button, PasswordInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Navigate, useNavigate } from '@tanstack/react-router';
import { type ReactElement, useEffect, useRef, useState } from 'react';
import { sessionQuery, signIn } from '../api/session.ts';
import { Logo } from '../kit/icon.tsx';
import { LoadFailure } from '../kit/page/loaded.tsx';

export function SignedOut(): ReactElement {
  const { error, isBusy, enter } = useSignIn();
  const [key, setKey] = useState('');
  return (
    <main className="alone">
      <div className="row">
        <Logo />
        <h1>Sign in to Penstock</h1>
      </div>
      <p>
        Open the link that <code>penstock up</code> printed when it started. It works once, within 15 minutes. Or enter a key, in the format
        of <code>PENSTOCK_KEY</code>.
      </p>
      <form
        className="confirm"
        onSubmit={(event) => {
          event.preventDefault();
          enter({ key: key.trim() });
        }}
      >
        <PasswordInput
          label="Key"
          placeholder="ID:SECRET"
          value={key}
          onChange={(event) => setKey(event.currentTarget.value)}
          autoComplete="current-password"
        />
        {error === null ? null : <LoadFailure error={error} what="Signing in failed." />}
        <div>
          <Button type="submit" variant="filled" loading={isBusy} disabled={key.trim() === ''}>
            Sign in
          </Button>
        </div>
      </form>
    </main>
  );
}

/** The target of a sign-in link. Redirects signed-in users to the overview; for others, the shell renders the sign-in page instead. */
export function SignedInUser(): ReactElement | null {
  const { data } = useQuery(sessionQuery());
  return data === undefined ? null : <Navigate to="/" replace />;
}

/** A sign-in link is used as soon as it is opened. Its secret is removed from the URL first. */
function useSignIn() {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [error, setError] = useState<Error | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const isTried = useRef(false);
  const enter = (by: Parameters<typeof signIn>[0]): void => {
    setIsBusy(true);
    signIn(by)
      .then(async () => {
        if (location.pathname === '/sign-in') await navigate({ to: '/', replace: true });
        await client.resetQueries();
      })
      .catch((thrown: unknown) => {
        setError(thrown as Error);
        setIsBusy(false);
      });
  };
  // The ref makes sure that the link is used only once.
  useEffect(() => {
    const link = location.hash.slice(1);
    if (isTried.current || location.pathname !== '/sign-in' || link === '') return;
    isTried.current = true;
    history.replaceState(null, '', '/sign-in');
    enter({ link });
  });
  return { error, isBusy, enter };
}
