import {z} from 'zod';
import {Base} from './base.ts';
import {Cache} from './cache-settings.ts';
import {architectureWords, everyDistribution, releaseWords} from './distributions.ts';
import {
  entryName,
  hostname,
  imageFolderPath,
  imagePath,
  line,
  locale,
  numericId,
  owner,
  packageName,
  packageVersion,
  passwordHash,
  permissions,
  projectPath,
  size,
  snapshot,
  snapshotArchive,
  sshKey,
  timezone,
  unit,
  uri,
  userName,
} from './fields.ts';
import {Policy} from './policy.ts';
import {type ProvisionSchema, provisionSchema} from './provision-kinds.ts';

/**
 * fgimage.yaml as the user writes it. Nothing is transformed and nothing gets a default here: the schema says what
 * may be written, src/spec/normalise.ts says what it means.
 */
const texts = z.union([line, z.array(line)]);

export const Os = z
  .strictObject({
    distribution: z.enum(everyDistribution()).describe('The distribution.').exactOptional(),
    release: z.enum(releaseWords()).describe('Code name, or version in quotes.').exactOptional(),
    architecture: z
      .enum(architectureWords)
      .describe('Architecture; amd64 where it is left out.')
      .exactOptional(),
    mirror: uri(['http', 'https', 'file', 'copy'])
      .describe("URI of the archive, the folder that holds `dists`; else the host's own is used.")
      .exactOptional(),
    signed_by: projectPath
      .describe(
        "The key of a mirror that its site signs itself, a file of the project; else the distribution's.",
      )
      .exactOptional(),
    snapshot: snapshot
      .describe('UTC time of a snapshot of the archive, e.g. 20260801T000000Z.')
      .exactOptional(),
    snapshots: snapshotArchive
      .describe(
        'URI of an archive of snapshots with @SNAPSHOTID@ in it: for packages that the mirror has no more.',
      )
      .exactOptional(),
  })
  .describe('The operating system.');

export const Repository = z
  .strictObject({
    name: entryName.describe('Name of its file in sources.list.d.'),
    uri: uri(['http', 'https', 'file', 'copy']).describe('URI of the archive.'),
    suites: z
      .array(line)
      .min(1)
      .describe('Suites, e.g. bookworm-backports; of an apt repository.')
      .exactOptional(),
    components: z.array(line).min(1).describe('Components, e.g. main; of an apt repository.').exactOptional(),
    signed_by: projectPath.describe(
      'The OpenPGP key that signs it, armored or binary: a file of the project.',
    ),
    unsigned_metadata: z
      .boolean()
      .describe('Of rpm packages: its metadata is not signed, only the packages are.')
      .exactOptional(),
  })
  .describe('A further repository, always verified.');

export const PackageEntry = z
  .union([
    packageName,
    z.strictObject({
      name: packageName.describe('Name of the package.'),
      version: packageVersion.describe('Exactly this version.').exactOptional(),
    }),
  ])
  .describe('A package, or {name, version}.');

export const Group = z
  .union([
    userName,
    z.strictObject({
      name: userName.describe('Name of the group.'),
      gid: numericId.describe('Number of the group.').exactOptional(),
      system: z.boolean().describe('Takes its number from the range of the system.').exactOptional(),
      members: z.array(userName).describe('Users in the group.').exactOptional(),
    }),
    z.record(userName, z.union([userName, z.array(userName)])),
  ])
  .describe('A group: its name, {name: [members]}, or {name, gid, system, members}.');

export const User = z
  .strictObject({
    name: userName.describe('Login name.'),
    gecos: line.describe('Real name.').exactOptional(),
    uid: numericId.describe('Number of the user.').exactOptional(),
    primary_group: userName.describe('Main group; else one of the same name is made.').exactOptional(),
    groups: z
      .union([line, z.array(userName)])
      .describe('Further groups, as a list or parted by commas.')
      .exactOptional(),
    homedir: imagePath.describe('Home folder; /home/<name> where it is left out.').exactOptional(),
    shell: imagePath.describe('Login shell.').exactOptional(),
    sudo: z
      .union([line, z.array(line), z.literal(false)])
      .describe('sudoers(5) rules without the name: "ALL=(ALL) NOPASSWD:ALL"; false for none.')
      .exactOptional(),
    ssh_authorized_keys: z.array(sshKey).describe('Public SSH keys.').exactOptional(),
    hashed_passwd: passwordHash
      .describe('A crypt(5) hash, as mkpasswd makes it; never a password.')
      .exactOptional(),
    lock_passwd: z
      .boolean()
      .describe('Whether the password is locked; true where it is left out.')
      .exactOptional(),
    system: z.boolean().describe('A system user: no home folder, a low number.').exactOptional(),
  })
  .describe('A user, in the words of cloud-init.');

export const WriteFile = z
  .strictObject({
    path: imagePath.describe('Absolute path in the image.'),
    content: z.string().describe('The text, or base64 where `encoding` says so.').exactOptional(),
    source: projectPath.describe('A file of the project instead of `content`.').exactOptional(),
    encoding: z.enum(['text/plain', 'b64', 'base64']).describe('Encoding of `content`.').exactOptional(),
    owner: owner.describe('user:group; root:root where it is left out.').exactOptional(),
    permissions: permissions.describe('Octal mode in quotes; "0644" where it is left out.').exactOptional(),
    append: z.boolean().describe('Append to the file instead of replacing it.').exactOptional(),
  })
  .describe('A file to write, in the words of cloud-init.');

export const Copy = z
  .strictObject({
    source: z
      .union([projectPath, z.array(projectPath).min(1)])
      .describe('Files, folders or fast-glob patterns of the project.'),
    path: imageFolderPath.describe(
      'Folder in the image; for one plain file its own path, without a trailing slash.',
    ),
    owner: owner.describe('user:group; root:root where it is left out.').exactOptional(),
    permissions: permissions
      .describe("Octal mode in quotes; the project's own where it is left out.")
      .exactOptional(),
    exclude: z.array(projectPath).describe('fast-glob patterns to leave out.').exactOptional(),
  })
  .describe('Files and folders of the project to copy.');

export const Services = z
  .strictObject({
    enable: z.array(unit).describe('Units to start at boot.').exactOptional(),
    disable: z.array(unit).describe('Units not to start at boot.').exactOptional(),
    mask: z.array(unit).describe('Units that cannot be started.').exactOptional(),
  })
  .describe('systemd units.');

export const Kernel = z
  .strictObject({
    package: packageName
      .describe("Kernel package; the template's where it is left out; none: it has one, or needs none.")
      .exactOptional(),
    cmdline: line.describe('Appended to the kernel command line of each target.').exactOptional(),
  })
  .describe('The kernel.');

const filesystem = z.enum(['ext4', 'xfs', 'btrfs']);

export const Storage = z
  .strictObject({
    size: size
      .describe('Virtual size of the disk, e.g. 8GiB; fitted to the content where it is left out.')
      .exactOptional(),
    fit: z
      .enum(['roomy', 'minimal'])
      .describe(
        'How a fitted disk is: a third of the root free, or next to nothing; roomy where it is left out.',
      )
      .exactOptional(),
    table: z.enum(['gpt', 'mbr']).describe('Partition table; gpt where it is left out.').exactOptional(),
    filesystem: filesystem.describe('File system of the root; ext4 where it is left out.').exactOptional(),
    loader: z
      .enum(['grub', 'systemd-boot'])
      .describe('Boot loader; grub where it is left out. systemd-boot starts under UEFI only.')
      .exactOptional(),
    boot: z
      .strictObject({
        size: size.describe('Its size, e.g. 1GiB.'),
        filesystem: filesystem.describe('ext4 where it is left out.').exactOptional(),
      })
      .describe('A partition of its own for /boot.')
      .exactOptional(),
    swap: size.describe('A swap partition of this size.').exactOptional(),
    mounts: z
      .array(
        z.strictObject({
          path: imagePath.describe('Where it is mounted; what the image has there lies in it.'),
          size: size.describe('Its size, e.g. 4GiB.'),
          filesystem: filesystem.describe("The root's where it is left out.").exactOptional(),
        }),
      )
      .describe('Further partitions.')
      .exactOptional(),
  })
  .describe('The disk of targets that have one.');

export const TestEntry = z
  .union([
    z.strictObject({
      command: line.describe('A command, run by sh as root.'),
      exit_status: z
        .int()
        .min(0)
        .max(255)
        .describe('Expected exit status; 0 where it is left out.')
        .exactOptional(),
      stdout: texts.describe('Texts that its output must hold.').exactOptional(),
    }),
    z.strictObject({
      service: unit.describe('A systemd unit.'),
      running: z.boolean().describe('Whether it must be active.').exactOptional(),
      enabled: z.boolean().describe('Whether it must be enabled.').exactOptional(),
    }),
    z.strictObject({
      port: z.int().min(1).max(65_535).describe('A port of the machine.'),
      protocol: z.enum(['tcp', 'udp']).describe('tcp where it is left out.').exactOptional(),
      listening: z
        .boolean()
        .describe('Whether something must listen; true where it is left out.')
        .exactOptional(),
    }),
    z.strictObject({
      file: imagePath.describe('A path in the image.'),
      exists: z.boolean().describe('Whether it must exist; true where it is left out.').exactOptional(),
      contains: texts.describe('Texts that it must hold.').exactOptional(),
      owner: owner.describe('Expected user:group.').exactOptional(),
      permissions: permissions.describe('Expected octal mode in quotes.').exactOptional(),
    }),
  ])
  .describe('A check in the booted image: command, service, port or file.');

/** Options are checked against the target's own schema once all files are merged (src/spec/targets.ts). */
export const Targets = z
  .union([z.array(entryName), z.record(entryName, z.union([z.null(), z.literal(false), z.looseObject({})]))])
  .describe('Infrastructures to build for: {<name>: {type, …options}}, or a list of types.');

function matrixOf(variant: z.ZodType) {
  const combination = z.strictObject({
    release: Os.shape.release,
    architecture: Os.shape.architecture,
    variant: entryName.describe('The name of a variant.').exactOptional(),
  });
  return z
    .strictObject({
      release: z.array(Os.shape.release).min(1).describe('Releases to build the image for.').exactOptional(),
      architecture: z
        .array(Os.shape.architecture)
        .min(1)
        .describe('Architectures to build the image for.')
        .exactOptional(),
      variant: z
        .record(entryName, z.union([z.null(), variant]))
        .describe('Variants by name: keys of an image, merged over it.')
        .exactOptional(),
      exclude: z.array(combination).describe('Combinations that are not built.').exactOptional(),
      include: z.array(combination).describe('Further combinations.').exactOptional(),
    })
    .describe('Makes one image for each combination, named <image>-<release>-<architecture>-<variant>.');
}

/** The keys of an image; at the top level they are defaults of all images. */
function imageShape(provision: ProvisionSchema) {
  const shape = plainShape(provision);
  return {
    ...shape,
    os: Os.exactOptional(),
    matrix: matrixOf(z.strictObject(shape)).exactOptional(),
  };
}

/** What a variant can say too. */
function plainShape(provision: ProvisionSchema) {
  return {
    description: z.string().describe('What the image is for.').exactOptional(),
    tags: z.array(line).describe('Words to find the image by.').exactOptional(),
    base: Base.exactOptional(),
    repositories: z.array(Repository).describe('Further repositories.').exactOptional(),
    packages: z.array(PackageEntry).describe('Packages to install.').exactOptional(),
    remove_packages: z.array(packageName).describe('Packages to remove.').exactOptional(),
    groups: z.array(Group).describe('Groups to make.').exactOptional(),
    users: z.array(User).describe('Users to make.').exactOptional(),
    write_files: z.array(WriteFile).describe('Files to write.').exactOptional(),
    copy: z.array(Copy).describe('Files of the project to copy.').exactOptional(),
    provision: z.array(provision).describe('Steps run in the image, in this order.').exactOptional(),
    services: Services.exactOptional(),
    hostname: hostname.describe('Host name, where the infrastructure gives none.').exactOptional(),
    locale: locale.describe('Locale of the system, e.g. en_US.UTF-8.').exactOptional(),
    timezone: timezone.describe('Time zone, e.g. Europe/Berlin.').exactOptional(),
    kernel: Kernel.exactOptional(),
    storage: Storage.exactOptional(),
    tests: z.array(TestEntry).describe('Checks in the booted image.').exactOptional(),
    policy: Policy.exactOptional(),
    targets: Targets.exactOptional(),
  };
}

/** Builds the schema of a spec file and of one image in it around the kinds of provisioners that there are. */
export async function specSchemas() {
  const shape = imageShape(await provisionSchema());
  const image = z.strictObject({
    ...shape,
    from: entryName.describe('Another image of this spec to build on.').exactOptional(),
  });
  const images = z
    .record(entryName, z.union([z.null(), image]))
    .describe('Several images; the other top-level keys are their defaults.')
    .exactOptional();
  const profile = z.strictObject({
    default: z.boolean().describe('Whether it counts where no profile is chosen.').exactOptional(),
    ...shape,
    images,
  });
  const file = z.strictObject({
    version: z.literal(1).describe('Version of this format: 1.'),
    name: entryName.describe('Name of the project, and of its image where there is one.').exactOptional(),
    extends: z
      .union([projectPath, z.array(projectPath).min(1)])
      .describe(
        'Other spec files, relative to the project, that this one builds on, the later over the earlier; fgimage:<starter> is one of its own.',
      )
      .exactOptional(),
    profiles: z
      .record(entryName, z.union([z.null(), profile]))
      .describe('Changes to the spec by name, merged over it when they are chosen with --profile.')
      .exactOptional(),
    cache: Cache.exactOptional(),
    ...shape,
    images,
  });
  return {file, image};
}

export type SpecSchemas = Awaited<ReturnType<typeof specSchemas>>;
export type ImageEntry = z.infer<SpecSchemas['image']>;
