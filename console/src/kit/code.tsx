/** Text to copy: a command, a snippet, log lines. */
import { Button, CopyButton } from '@mantine/core';
import type { ReactElement, ReactNode } from 'react';
import { Icon } from './icon.tsx';

export function Copy({ text, label = 'Copy' }: { readonly text: string; readonly label?: string }): ReactElement {
  return (
    <CopyButton value={text}>
      {({ copied, copy }) => (
        <Button size="sm" leftSection={<Icon name={copied ? 'check' : 'copy'} />} onClick={copy}>
          {copied ? 'Copied' : label}
        </Button>
      )}
    </CopyButton>
  );
}

/** Renders the parts between backticks of a server message as code. */
export function renderCode(text: string): ReactNode {
  return text.split('`').map((piece, index) => (index % 2 === 0 ? piece : <code key={index}>{piece}</code>));
}

const pattern = /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(#.*$|\/\/ .*$)|\b(import|from|print|const|await|as|for|in|return)\b/gm;

/** Highlights strings, comments and a few keywords, which is enough for snippets of ten lines. */
export function CodeBlock({ text, label }: { readonly text: string; readonly label: string }): ReactElement {
  const pieces: (string | ReactElement)[] = [];
  let last = 0;
  for (const match of text.matchAll(pattern)) {
    pieces.push(text.slice(last, match.index));
    const kind = match[1] !== undefined ? 's' : match[2] !== undefined ? 'c' : 'k';
    pieces.push(
      <span key={match.index} className={kind}>
        {match[0]}
      </span>,
    );
    last = match.index + match[0].length;
  }
  return (
    // Scrollable regions must be reachable by keyboard.
    <pre tabIndex={0} aria-label={label} role="region">
      {pieces}
      {text.slice(last)}
    </pre>
  );
}
