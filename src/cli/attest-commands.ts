import {resolve} from 'node:path';
import type {CAC} from 'cac';
import {addFlags, buildFlags, buildOptions, flags, planFlags, sessionOptions} from './flags.ts';
import {flag, list, type Options, text} from './options.ts';
import {profileFlags} from './profiles.ts';
import {run} from './run-command.ts';

/** Spec, targets, lock and tools are the record's. */
const rebuildFlags = [
  ...[flags.cacheDir, flags.noCache, flags.cache, flags.remoteCache, flags.offline],
  ...buildFlags.filter((one) => !planFlags.some((other) => other === one)),
];

/** The commands that vouch for what was built: signatures, and the record of an experiment. */
export function addAttestCommands(cli: CAC): void {
  cli
    .command('sign [artifact]', 'Sign what was built, or an artifact in a registry')
    .option(
      '--key <file>',
      'An Ed25519 key of OpenSSH or PKCS #8; a .pub file stands for one in the SSH agent',
    )
    .option(
      '--oci <reference>',
      'Sign this artifact of a registry, as cosign does: host/name:tag or host/name@sha256:…',
    )
    .option('--print-public-key <form>', "Print the key's public half: allowed-signers, ssh or pem")
    .option('--identity <name>', 'Whose key it is, for --print-public-key')
    .option(...flags.output)
    .example('fgimage sign web/openstack --key ~/.ssh/id_ed25519')
    .action((artifact: string | undefined, options: Options) =>
      run(options, async () => {
        const {publicKeyForm, runSign} = await import('./sign.ts');
        return runSign({
          artifact,
          oci: text(options, 'oci'),
          key: text(options, 'key'),
          identity: text(options, 'identity'),
          printPublicKey: publicKeyForm(text(options, 'printPublicKey')),
          output: text(options, 'output') ?? 'artifacts',
        });
      }),
    );

  cli
    .command('verify-signature [artifact]', 'Check the signature of an image, a folder or a file')
    .option('--allowed-signers <file>', 'Whose signatures count: ssh-keygen(1), ALLOWED SIGNERS')
    .option('--identity <name>', 'Who is to have signed')
    .option('--oci <reference>', 'Check this artifact of a registry: host/name:tag or host/name@sha256:…')
    .option('--public-key <file>', 'With --oci: the key that is to have signed, PEM or .pub')
    .option(...flags.output)
    .example('fgimage verify-signature web/openstack --allowed-signers allowed_signers')
    .action((artifact: string | undefined, options: Options) =>
      run(options, async () =>
        (await import('./verify-signature.ts')).runVerifySignature({
          artifact,
          allowedSigners: text(options, 'allowedSigners'),
          identity: text(options, 'identity'),
          oci: text(options, 'oci'),
          publicKey: text(options, 'publicKey'),
          output: text(options, 'output') ?? 'artifacts',
        }),
      ),
    );

  cli
    .command('record <image>', 'Write the one file from which an image can be made again')
    .option(...flags.file)
    .option(...profileFlags[0])
    .option(...profileFlags[1])
    .option(...flags.cacheDir)
    .option(
      '-o, --output <file>',
      'Where it goes; --output=- for standard output (default: <image>-ro-crate-metadata.json)',
    )
    .option('--artifacts <folder>', 'Where the artifacts are', {default: 'artifacts'})
    .option('--license <id>', 'Licence of the record, an SPDX id or a URL')
    .option('--author <name>', 'Whose experiment it is, "Name <URL>"; may be repeated')
    .example('fgimage record web --author "Ada Lovelace <https://orcid.org/0000-0001-2345-6789>"')
    .action((image: string, options: Options) =>
      run(options, async () =>
        (await import('./record.ts')).runRecord({
          ...sessionOptions([], options),
          output: resolve(text(options, 'artifacts') ?? 'artifacts'),
          image,
          recordFile: text(options, 'output'),
          license: text(options, 'license'),
          authors: list(options, 'author'),
        }),
      ),
    );

  addFlags(
    cli.command('rebuild <record>', 'Make an image again from its record or a bundle, and compare'),
    rebuildFlags,
  )
    .option(
      '-o, --output <folder>',
      'A new folder for the project and its artifacts (default: <image>-rebuilt)',
    )
    .option('--check', 'Only check the digests in the record; build nothing')
    .example('fgimage rebuild web-ro-crate-metadata.json')
    .action((record: string, options: Options) =>
      run(options, async () =>
        (await import('./rebuild.ts')).runRebuild({
          record,
          folder: text(options, 'output'),
          check: flag(options, 'check'),
          build: buildOptions([], options),
        }),
      ),
    );
}
