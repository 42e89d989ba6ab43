import { type CompletedVerb, endpointNames, singleQuoted } from './completed-verb.ts';

/** A script for bash 3.2 or later. Everything that is not known, such as files, is left to the shell. */
export function bashCompletion(verbs: readonly CompletedVerb[]): string {
  const optionsWith = (matches: (option: CompletedVerb['options'][number]) => boolean) =>
    verbs.flatMap(({ path, options }) =>
      options.filter(matches).map(({ flags, choices }) => ({ cases: flags.map((flag) => singleQuoted(`${path} ${flag}`)), choices })),
    );
  const values = optionsWith(({ choices }) => choices.length > 0).map(
    ({ cases, choices }) => `    ${cases.join(' | ')}) words=${singleQuoted(choices.join(' '))} ;;`,
  );
  const free = optionsWith(({ takesValue, choices }) => takesValue && choices.length === 0).flatMap(({ cases }) => cases);
  return `# Completion of penstock for bash. Load it with: eval "$(penstock completion bash)"
_penstock() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} verb='' words='' i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$verb \${COMP_WORDS[i]}" in
      ${pathsOf(verbs).map(singleQuoted).join(' | ')}) verb="$verb \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$verb $prev" in
${values.join('\n')}
    ${free.join(' | ')}) return ;;
    *)
      case "$cur" in
        -*) case "$verb" in
${verbs.map((verb) => `          ${singleQuoted(verb.path)}) words=${singleQuoted(flagsOf(verb))} ;;`).join('\n')}
        esac ;;
        *) case "$verb" in
${verbs.flatMap(argumentCase).join('\n')}
        esac ;;
      esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _penstock penstock
`;
}

/** The paths of all verbs, without the program itself. */
function pathsOf(verbs: readonly CompletedVerb[]): string[] {
  return verbs.map(({ path }) => path).filter((path) => path !== '');
}

function flagsOf({ options }: CompletedVerb): string {
  return [...options.flatMap(({ flags }) => flags), '--help'].join(' ');
}

function argumentCase({ path, verbs, choices, takesEndpoint }: CompletedVerb): string[] {
  const words = [...verbs.map(({ name }) => name), ...choices];
  if (words.length > 0) return [`          ${singleQuoted(path)}) words=${singleQuoted(words.join(' '))} ;;`];
  return takesEndpoint ? [`          ${singleQuoted(path)}) words=$("\${COMP_WORDS[0]}" ${endpointNames}) ;;`] : [];
}
