#!/usr/bin/env node
/**
 * Makes a fresh clone ready. Runs before anything is installed: nothing but Node 20.
 *
 *   prepare     installs what is missing: Debian packages, node modules; then compiles
 *   compile     compiles src to dist
 *   quickstart  prepare, then builds the images of fgimage.yaml.example
 */
import {spawn, spawnSync} from 'node:child_process';
import {accessSync, chmodSync, constants, existsSync, readFileSync, rmSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const main = join(root, 'dist/src/cli/main.js');
const hostLacks = 3;
const usage = 2;

const commands = {
  prepare,
  compile,
  async quickstart() {
    await prepare({tests: false});
    say(`Building the images of fgimage.yaml.example`);
    await run(process.execPath, [main, 'build', '-f', 'fgimage.yaml.example', ...process.argv.slice(3)]);
  },
};

/* A child that gets Ctrl-C cleans up first; this process waits for it and passes its exit code on. */
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);

if (Number.parseInt(process.versions.node, 10) < 20)
  stop(`Node 20 or later is needed, this is ${process.version}`, hostLacks);
const command = commands[process.argv[2]];
if (command === undefined) stop(`Usage: node scripts/setup.mjs ${Object.keys(commands).join(' | ')}`, usage);
await command();

async function prepare({tests = true} = {}) {
  await installPackages({tests});
  await installModules();
  await compile();
}

/** Everything of the list, also what only ordinary users or the compiler need; without `tests` not what only those need. */
async function installPackages({tests}) {
  const {tools} = JSON.parse(readFileSync(join(root, 'src/host/requirements.json'), 'utf8'));
  const wanted = tools.filter(
    ({needs = []}) =>
      tests || needs.length === 0 || needs.some((need) => need !== 'test' && need !== 'arm64'),
  );
  const missing = [...new Set(wanted.filter((tool) => !isThere(tool)).map((tool) => tool.package))].sort();
  if (missing.length === 0) return;
  const install = ['install', '--yes', '--no-install-recommends', ...missing];
  if (!findProgram('apt-get'))
    stop(`This host has no apt-get. Install with its own package manager: ${missing.join(' ')}`, hostLacks);
  const prefix = rootPrefix();
  if (prefix === undefined) {
    stop(
      `Packages are missing, and installing them needs root. Run:\n  sudo apt-get ${install.join(' ')}`,
      hostLacks,
    );
  }
  say(`Installing Debian packages: ${missing.join(' ')}`);
  for (const parameters of [['update'], install]) {
    const apt = [
      'env',
      'DEBIAN_FRONTEND=noninteractive',
      'apt-get',
      '--quiet',
      '-o',
      'DPkg::Lock::Timeout=300',
    ];
    const [program, ...rest] = [...prefix, ...apt, ...parameters];
    await run(program, rest);
  }
}

function isThere({commands = [], files = []}) {
  return commands.every(findProgram) && (files.length === 0 || files.some((file) => existsSync(file)));
}

function findProgram(name) {
  const folders = [
    ...(process.env.PATH ?? '').split(':').filter(Boolean),
    '/usr/local/sbin',
    '/usr/sbin',
    '/sbin',
    '/usr/bin',
    '/bin',
  ];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** What is put before a command to run it as root; undefined when that cannot be done without asking. */
function rootPrefix() {
  if (process.getuid() === 0) return [];
  return spawnSync('sudo', ['-n', 'true'], {stdio: 'ignore'}).status === 0 ? ['sudo', '-n'] : undefined;
}

async function installModules() {
  const reason = modulesOutdated();
  if (reason === undefined) return;
  say(`Installing node modules: ${reason}; better-sqlite3 is compiled, which takes some minutes`);
  // Headers that came with this Node make node-gyp's download of them needless.
  const nodeFolder = dirname(dirname(process.execPath));
  if (existsSync(join(nodeFolder, 'include/node/node.h'))) process.env.npm_config_nodedir ??= nodeFolder;
  // As package-lock.json says, and without `npm ci`: that refuses a lock that lacks the optional binaries of platforms
  // which the registry that made it does not carry. `--no-save` leaves the lock as it is.
  await run('npm', ['install', '--no-save', '--no-audit', '--no-fund']);
}

/**
 * Why node_modules is not what package-lock.json says; undefined when it is. By content, since a checkout changes the
 * times of files: npm leaves what it installed in node_modules/.package-lock.json, written last.
 */
function modulesOutdated() {
  const installedPath = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedPath)) return 'there are none';
  const installed = JSON.parse(readFileSync(installedPath, 'utf8')).packages;
  const locked = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  for (const [path, {version, optional}] of Object.entries(locked)) {
    if (path !== '' && installed[path]?.version !== version && !(optional && installed[path] === undefined)) {
      return `${path} is not ${version}`;
    }
  }
  const opens = spawnSync(process.execPath, ['-e', "new (require('better-sqlite3'))(':memory:')"], {
    cwd: root,
    stdio: 'ignore',
  });
  return opens.status === 0 ? undefined : `better-sqlite3 does not load in Node ${process.version}`;
}

async function compile() {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  if (!existsSync(tsc)) stop('There are no node modules yet. Run: node scripts/setup.mjs prepare', hostLacks);
  /* Where what was compiled is gone, the compiler's notes of it would keep it from being compiled again. */
  if (!existsSync(main)) rmSync(join(root, 'dist/.tsbuildinfo'), {force: true});
  say('Compiling');
  await run(process.execPath, [tsc, '-p', root]);
  if (existsSync(main)) chmodSync(main, 0o755);
}

function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

function stop(text, code) {
  say(text);
  process.exit(code);
}

/** Runs a program in the repository with this process's own input and output; ends with its exit code if it fails. */
async function run(program, parameters) {
  const code = await new Promise((resolve) => {
    const child = spawn(program, parameters, {cwd: root, stdio: 'inherit'});
    child.on('error', (error) => {
      say(`${program} cannot be started: ${error.message}`);
      resolve(hostLacks);
    });
    /* As a shell does it: 128 and the number of the signal; 130 is Ctrl-C. */
    child.on('close', (exitCode, signal) =>
      resolve(exitCode ?? {SIGHUP: 129, SIGINT: 130, SIGKILL: 137, SIGTERM: 143}[signal] ?? 1),
    );
  });
  if (code !== 0) process.exit(code);
}
