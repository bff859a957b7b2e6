-- What all scripts of this folder stand on: keys, configuration, effort.
-- DESIGN.md has the states, keys and invariants.
-- KEYS[1] is the region's prefix "geogate:{region}", from which all key names are
-- made: they share its hash tag and so its slot. ARGV[1] is the configuration.

local P = KEYS[1]
local cfg = cjson.decode(ARGV[1])

-- No script may hold Redis for longer than 5 ms. Whatever grows with the number of
-- drivers or rides spends effort: one unit is a command or two, some 3 µs. A script
-- that has spent it all stops and says where to go on; DESIGN.md has the figures.
local effort, spent = 320, 0

local function spend(units) spent = spent + units end

local function exhausted() return spent >= effort end

-- What drivers report: tags travel and are stored as "\nfirst\nsecond\n".
local function each_tag(tags) return string.gmatch(tags, '[^\n]+') end

local function fresh(d) return now - tonumber(d.seen) < cfg.driver_ttl end
