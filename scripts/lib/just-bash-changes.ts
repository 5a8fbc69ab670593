/** What is changed in the text of just-bash when the shell child is built from it. */

/** A pattern, which a build without a match of it refuses, and what stands in its place. */
type Change = readonly [RegExp, string];

/** What just-bash says to whoever embeds it, in words for whoever writes a task. */
const WORDING: readonly Change[] = [
  [/, increase executionLimits\.\w+/g, ", a limit of local tasks; do less at once"],
  [
    /command not available in browser environments\. Exclude '[^']+' from your commands or use the Node\.js bundle\./g,
    "command not found; it is not available to local tasks",
  ],
];

/**
 * just-bash takes any failure to change a file for one that is not there, ignores it in `rm -f`, and
 * ends the script when a redirection fails. Where the file system says `EROFS`, these report what
 * it says, as everything else does, and the command fails.
 */
const READ_ONLY: readonly Change[] = [
  [
    /catch\((\w+)\)\{(if\(!\w+\)throw \1;return\{error:(\w+)\("",`bash: \$\{(\w+)\}: )cannot open redirect target/g,
    'catch($1){if($1.code==="EROFS")return{error:$3("",`bash: ${$4}: ${$1.message}\n`,1)};$2cannot open redirect target',
  ],
  [
    /(async function \w+\((\w+),(\w+),(\w+)\)\{let (\w+)=\2\.fs\.resolvePath\(\2\.state\.cwd,\3\);)(?=try\{let .{1,200}"readwrite".{1,200}return\{error:(\w+)\()/g,
    '$1if($4)try{await $2.fs.appendFile($5,"","binary")}catch(fault){if(fault.code==="EROFS")return{error:$6("",`bash: ${$3}: ${fault.message}\n`,1)}}',
  ],
  [
    /catch\((\w+)\)\{if\(!(\w+)\)(?=\{let .{1,100}`rm: cannot remove )/g,
    'catch($1){if(!$2||$1.code==="EROFS")',
  ],
  [
    /catch\((\w+)\)(\{\w+\(\1\),\w+\+=`chmod: )cannot access (.{1,20}: )No such file or directory/g,
    'catch($1)$2${$1.code==="EROFS"?"changing permissions of":"cannot access"} $3${$1.code==="EROFS"?$1.message:"No such file or directory"}',
  ],
  [
    /catch(\{\w+\+=`tee: .{1,20}: )No such file or directory/g,
    'catch(fault)$1${fault.code==="EROFS"?fault.message:"No such file or directory"}',
  ],
  [
    /(instanceof \w+\)throw (\w+);return[^;]{1,150}`sed: [^`]{1,20}: )No such file or directory/g,
    '$1${$2.code==="EROFS"?$2.message:"No such file or directory"}',
  ],
  [
    /catch(\{return\{stdout:"",stderr:`ln: cannot remove .{1,20}: )Permission denied/g,
    'catch(fault)$1${fault.code==="EROFS"?fault.message:"Permission denied"}',
  ],
];
/** Of what `stat` tells as `name`, as `ls -l` begins a line. */
const permissions = (name: string) =>
  `((${name}.isSymbolicLink?"l":${name}.isDirectory?"d":"-")+Array.from("rwxrwxrwx",(bit,at)=>${name}.mode>>8-at&1?bit:"-").join(""))`;

/** `ls -l` has the same permissions for all files, and looks behind links instead of at them. */
const LISTING: readonly Change[] = [
  [
    /(\w+)=await (\w+)\.fs\.stat\((\w+)\),(\w+)=\1\.isDirectory\?"drwxr-xr-x":"-rw-r--r--",(\w+)=(?=(\w+)\?)/g,
    `$1=await $2.fs.lstat($3),$4=${permissions("$1")},$5=$1.isSymbolicLink?" -> "+await $2.fs.readlink($3):`,
  ],
  [
    /(\w+)=await (\w+)\.fs\.stat\((\w+)\);if\((\w+)\)\{let (\w+)=\1\.isDirectory\?"drwxr-xr-x":"-rw-r--r--",(\w+)=(?=(\w+)\?)/g,
    `$1=await $2.fs.lstat($3);if($4){let $5=${permissions("$1")},$6=$1.isSymbolicLink?" -> "+await $2.fs.readlink($3):`,
  ],
  [
    /if\(!(\w+)\.isDirectory\)\{let (\w+)=(\w+\?\w+\(await (\w+)\.fs\.lstat\((\w+)\)\):"";)if\((\w+)\)\{(let .{1,200}return\{stdout:`)-rw-r--r-- (?=1 user)/g,
    `if(!$1.isDirectory){let $2=$3if($6){$1=await $4.fs.lstat($5);if($1.isSymbolicLink)$2=" -> "+await $4.fs.readlink($5);$7\${${permissions("$1")}} `,
  ],
];

export const CHANGES: readonly Change[] = [...WORDING, ...READ_ONLY, ...LISTING];
