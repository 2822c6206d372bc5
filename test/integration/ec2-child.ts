import {openEc2Registrar, sampleDiskAt} from './ec2-rig.ts';

/**
 * Registers a disk in a process of its own, which a test can kill, and whose memory it can measure:
 * `ec2-child.js <folder of the disk> <digest> <folder>`. Prints the id and the largest resident set in KiB.
 */
const [disk = '', digest = '', folder = ''] = process.argv.slice(2);
const registrar = await openEc2Registrar({digest, folder});
const [unfinished] = (await registrar.find()).filter(({health}) => health === 'pending');
const progress = {begun: () => undefined, report: () => undefined};
const {id} = await registrar.create(sampleDiskAt(disk, digest), progress, unfinished);
process.stdout.write(`${id} ${String(process.resourceUsage().maxRSS)}\n`);
