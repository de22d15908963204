"""Names by which the same person is called: short forms and other spellings of first names."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

_SAME: Final = """
abigail abby gail; albert al bert bertie; alexander alex alec sandy sasha xander alejandro aleksander; alexandra alex
sandra sandy sasha lexi; alfred al fred alfie; alice ali; allison allie ally alison; amanda mandy; andrew andy drew
andreas andre anders andrei; angela angie; anthony tony anton antonio; antoinette toni; arthur art artie arturo;
augustus gus august; barbara barb babs bobbie; bartholomew bart; beatrice bea trixie; benedict ben; benjamin ben benny
benji; bernard bernie; bradley brad; brian bryan bryant; caroline carrie carolyn carol; cassandra cassie cass;
catherine cathy kate katie kathy cate katherine kathryn katharine kitty kat catharine katrin kathleen; cecilia cissy;
charles charlie chuck chas carlos carl karl; charlotte charlie lottie; christina chris tina christine kristina chrissy
christa; christopher chris topher kris kit kristof christof christoph; clifford cliff; clinton clint; cynthia cindy;
daniel dan danny dani; danielle dani; david dave davey; deborah debbie deb debra; dennis denny; diana di diane; dolores
lola; dominic dom nick; donald don donny; dorothy dot dottie dolly; douglas doug; edgar ed; edmund ed ted eddie;
edward ed eddie ted teddy ned eduard eduardo; eleanor ellie nora ella elinor; elizabeth liz beth lizzie betty eliza
libby elisabeth lisa betsy bess liza elsie; emily em emma millie; emmanuel manny manuel; eric erik rick; eugene gene;
evelyn eve evie; ezekiel zeke; florence flo; frances fran frankie; francis frank fran francisco franz; franklin frank;
frederick fred freddie rick fritz friedrich federico; gabriel gabe; gabrielle gabby; geoffrey geoff jeff jeffrey; gerald
gerry jerry; gerard gerry; gertrude trudy; gilbert gil; gordon gordy; gregory greg gregg; gwendolyn gwen; harold harry
hal; harriet hattie; helen nell nellie helena ellen; henry hank harry hal heinrich enrique henri; herbert herb bert;
howard howie; hubert bert; hugh hughie; ignatius iggy nacho; irving irv; isaac ike zac; isabella bella izzy isabel
isabelle isobel; jacob jake jack jacques; jacqueline jackie; james jim jimmy jamie jaime; jane janie janet jan; janice
jan; jason jay; jean jeanne jeannie; jennifer jen jenny jenn; jeremiah jerry jeremy; jeremy jerry jem; jerome jerry;
jessica jess jessie; joan joanie joanna jo; johannes hans jan john johann; john jack johnny jon johan juan sean ian
giovanni; jonathan jon johnny nathan jonny; joseph joe joey jose josef giuseppe; josephine jo josie; joshua josh; joyce
joy; judith judy judi; julia julie jules; julian jules; justin jus; kenneth ken kenny; kimberly kim; kristen kris
kirsten; laurence larry lawrence lars lorenzo laurie; laura laurie lori; leonard leo len lenny; leonardo leo; leopold
leo; leroy roy; leslie les lesley; lewis lou louis luis ludwig lew; lillian lily lil; linda lin lindy; louise lou lulu
louisa; lucille lucy; lucas luke luca lukas; luther lu; lynn lin; madeline maddie madeleine; magdalena lena maggie;
malcolm mal; marcus mark marc marco markus; margaret maggie meg peggy marge margie greta rita daisy marguerite
margarita margarete; maria mary marie mia; marjorie marge margie; martha marty; martin marty martijn; marvin marv;
mathilda tilly; matthew matt matty matthias mats mateo mathew; maurice morris; maureen mo; maxwell max maximilian; megan
meg meghan; melanie mel; melissa mel missy lissa; melvin mel; mercedes sadie; michael mike mick mickey mikey mikhail
michel miguel micheal mitch; michelle shelly mickey; mildred millie; miranda mandy randy; mitchell mitch; mohammed
mohamed muhammad mohammad mo; nancy nan; natalie nat nataly natalia; natasha tasha; nathaniel nat nate nathan;
nicholas nick nicky nico nicolas klaus claus niklas nikolai; nicole nicky nikki; norbert bert; norman norm; oliver
ollie olivier; olivia liv livvy; oscar ozzie; oswald ozzie; pamela pam; patricia pat patty tricia trish; patrick pat
paddy; paul pablo paolo pavel; pauline polly paula; penelope penny; peter pete pedro pierre piotr; philip phil phillip
pip philippe; phyllis phyl; priscilla cilla; rachel rach rachael; randall randy; randolph randy; raymond ray ramon;
rebecca becky becca; reginald reggie reg; rene renee; richard dick rick ricky rich richie ricardo; robert bob bobby
rob robbie bert roberto; roberta bobbie; rodney rod; roger rog rodger; roland rolly; ronald ron ronnie; rosemary rose
rosie; roxanne roxy; rudolph rudy rolf; russell russ; ruth ruthie; samantha sam sammy; samuel sam sammy; sandra sandy;
sarah sally sara sadie; saul sol solomon; sebastian seb bastian; sharon shari; sheldon shelly; sidney sid; simon si;
sophia sophie sofia; stanley stan; stephanie steph stefanie; stephen steve steven stefan stephan stevie esteban
etienne; stuart stu stewart; susan sue susie suzy suzanne susanna susanne; sylvester sly; sylvia syl; tabitha tabby;
tamara tammy; terence terry; teresa terry tess theresa tessa; thaddeus thad; theodore ted teddy theo; theodora dora;
thomas tom tommy tomas; timothy tim timmy; tobias toby; tracy tracey; ulrich uli; valerie val; vanessa nessa; veronica
ronnie vera; victor vic viktor; victoria vicky vic tori; vincent vince vin vinny; virginia ginny ginger; vivian viv;
wallace wally; walter walt wally; warren ren; wendell dell; wilfred will fred; wilhelmina mina willa; william bill will
billy willy liam wilhelm guillermo; winifred winnie fred; winston win; yvonne vonnie; zachary zach zack zac
"""


@lru_cache(maxsize=1)
def called_alike() -> frozenset[tuple[str, str]]:
    """Pairs of first names, in both orders, that may be one person's."""
    alike = [group.split() for group in _SAME.split(";")]
    return frozenset((one, other) for group in alike for one in group for other in group if one != other)
