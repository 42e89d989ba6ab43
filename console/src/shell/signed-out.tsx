/** Where the server does not know who looks: the link that it printed, which works by itself, or a key. */
import { Button, PasswordInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Navigate, useNavigate } from '@tanstack/react-router';
import { type ReactElement, useEffect, useRef, useState } from 'react';
import { sessionQuery, signIn } from '../api/session.ts';
import { Logo } from '../kit/icon.tsx';
import { Failure } from '../kit/loaded.tsx';

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
        Open the link that <code>penstock up</code> printed when it started: it works once, within 15 minutes. Or enter a key, as it stands
        in <code>PENSTOCK_KEY</code>.
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
        {error === null ? null : <Failure error={error} what="You were not let in." />}
        <div>
          <Button type="submit" variant="filled" loading={isBusy} disabled={key.trim() === ''}>
            Sign in
          </Button>
        </div>
      </form>
    </main>
  );
}

/** At the address of a link: whoever is signed in already only passes through; of others the frame shows the way in instead. */
export function SignedIn(): ReactElement | null {
  const { data } = useQuery(sessionQuery());
  return data === undefined ? null : <Navigate to="/" replace />;
}

/** A link is used as soon as it is opened; what it holds does not stay in the address. */
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
  // Once, when the page is opened.
  useEffect(() => {
    const link = location.hash.slice(1);
    if (isTried.current || location.pathname !== '/sign-in' || link === '') return;
    isTried.current = true;
    history.replaceState(null, '', '/sign-in');
    enter({ link });
  });
  return { error, isBusy, enter };
}
