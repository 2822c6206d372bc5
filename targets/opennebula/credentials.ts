import {readFileSync, statSync} from 'node:fs';
import {homedir} from 'node:os';
import {join} from 'node:path';
import {FgError, isErrno} from '../../src/errors.ts';

/** Who speaks to OpenNebula: the first argument of each call. */
export interface OneSession {
  /** `user:password`, or `user:token`. */
  readonly secret: string;
  readonly user: string;
  /** Where it was read, for messages. */
  readonly from: string;
}

const usualEndpoint = 'http://localhost:2633/RPC2';
const makeFile =
  'Write "user:password" into ~/.one/one_auth, readable by you only, or name such a file with ONE_AUTH';

/**
 * The session of OpenNebula's own tools: the file that ONE_AUTH names, `~/.one/one_auth`, that of the user oneadmin
 * (lib/client.rb of their OCA). Other than there, an ONE_AUTH that names no file is an error: the next file would be
 * somebody else's identity.
 */
export function readSession(
  env: NodeJS.ProcessEnv,
  warn: (message: string, hint?: string) => void,
): OneSession {
  const named = env['ONE_AUTH'];
  const files = named ? [named] : homeFiles(env, 'one_auth');
  const found = firstText(files);
  // What ONE_AUTH holds may be the secret itself, and is not repeated.
  if (found === undefined)
    throw new FgError(
      'CREDENTIALS_MISSING',
      named ? 'ONE_AUTH does not name a file that can be read' : `There is no ${files[0] ?? 'one_auth'}`,
      {hint: makeFile},
    );
  const from = named ? 'the file of ONE_AUTH' : found.file;
  if ((found.mode & 0o077) !== 0)
    warn(`${from} can be read by others: it holds a password`, `Run: chmod 600 ${found.file}`);
  const secret = found.text.trimEnd();
  const user = /^(?<user>[^:\s]+):\S/.exec(secret)?.groups?.['user'];
  if (user === undefined || /[\p{Cc}]/u.test(secret))
    throw new FgError('CREDENTIALS_MISSING', `${from} does not hold "user:password" on one line`, {
      hint: makeFile,
    });
  return {secret, user, from};
}

/** The endpoint: of the spec, ONE_XMLRPC, `~/.one/one_endpoint`, that of oneadmin, this host. */
export function endpointUrl(fromSpec: string | undefined, env: NodeJS.ProcessEnv): URL {
  const fromFile = (): string | undefined => firstText(homeFiles(env, 'one_endpoint'))?.text.trim();
  const text = fromSpec ?? (env['ONE_XMLRPC'] || (fromFile() ?? usualEndpoint));
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
    throw new FgError('USAGE', 'The endpoint of OpenNebula is not the URL of an XML-RPC service', {
      hint: `Write it without a password, as ${usualEndpoint}, in register.endpoint or ONE_XMLRPC; gRPC is not spoken here`,
    });
  return url;
}

/** Whether the front-end is this host. */
export function isHere({hostname}: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

function homeFiles(env: NodeJS.ProcessEnv, name: string): readonly string[] {
  return [join(env['HOME'] || homedir(), '.one', name), join('/var/lib/one/.one', name)];
}

function firstText(
  files: readonly string[],
): {readonly file: string; readonly text: string; readonly mode: number} | undefined {
  for (const file of files) {
    try {
      const {mode} = statSync(file);
      return {file, text: readFileSync(file, 'utf8'), mode};
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR', 'ENAMETOOLONG', 'EPERM')) throw error;
    }
  }
  return undefined;
}
